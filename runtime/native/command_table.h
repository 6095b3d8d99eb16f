// What a function may call, in C++: the table of runtime/channel/command-table.ts (generated into
// command_table.inc) and its check, the twin of runtime/channel/refusal.ts. Asked on both sides before an
// operation is sent: by the isolate's thread and, since that one may be forged, by the keyspace service
// again. docs/commands.md shows the table.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace locus {

enum class CommandStanding : uint8_t {
  kAllowed,
  kRefused,
  kContainer,  ///< some of its subcommands are allowed: they have rows of their own
};

enum class CommandAccess : uint8_t { kRead, kWrite };

/// How a reply becomes a value: see runtime/channel/command-rule.ts.
enum class ReplyShape : uint8_t { kPlain, kObject, kPairs, kStreams };

enum class RefusalReason : uint8_t {
#define LOCUS_REASON(name, text) name,
#include "command_table.inc"
#undef LOCUS_REASON
};

/// Kinds and their meaning: ArgumentRule in runtime/channel/command-rule.ts.
enum class ArgumentRuleKind : uint8_t { kKeys, kCounted, kStreams, kAfter, kForbidden, kChannel };

struct ArgumentRule {
  ArgumentRuleKind kind;
  RefusalReason reason;  ///< kAfter: kKey or kPattern says which of the two the token takes
  int8_t first;  ///< kKeys: first key; kCounted, kChannel: the position; kAfter, kForbidden: from where
  int8_t last;   ///< kKeys only; negative from the end
  int8_t step;   ///< kKeys only
  std::string_view token;
};

constexpr size_t kArgumentRulesMax = 4;

/// One row. Rows lie in the order of their index.
struct CommandRule {
  std::string_view name;    ///< lower case; a subcommand is "container|subcommand"
  uint8_t container_bytes;  ///< length of the container's name, 0 for a row that is no subcommand
  CommandStanding standing;
  CommandAccess access;
  ReplyShape shape;
  RefusalReason reason;  ///< of a refused row
  int8_t arity;          ///< as Redis counts; Redis checks it
  uint8_t rule_count;
  std::array<ArgumentRule, kArgumentRulesMax> rules;
};

/// Why an operation is refused; its error code is COMMAND_REFUSED.
struct Refusal {
  /// Printable ASCII, one line, at most 200 characters.
  std::string message;
};

/// All rows, by index.
std::span<const CommandRule> CommandRules();

/// The most exact row: a container's subcommand where there is such a row, else the command itself; null if
/// unknown. Regardless of case. `sub` is the first argument, empty where there is none. About 10 ns.
const CommandRule* FindCommand(std::string_view name, std::string_view sub);

/// What the row says about the arguments; `argv[0]` is the command's name. Empty where the operation may be
/// sent.
std::optional<Refusal> CheckArguments(const CommandRule& rule, std::span<const std::string_view> argv);

/// FindCommand and CheckArguments. Redis itself checks arity and everything else.
std::optional<Refusal> CheckOperation(std::span<const std::string_view> argv);

/// A command's name as messages have it: one line of printable ASCII in upper case, cut where it is long.
std::string DisplayName(std::string_view name);

/// Of the commands that functions may call, those that are fewest edits away from `name`; none where all are
/// too far. As runtime/similar-names.ts, but for case.
std::vector<std::string_view> SimilarCommands(std::string_view name);

/// Whether the command can never change the dataset or how a key is kept.
inline bool IsRead(const CommandRule& rule) {
  return rule.access == CommandAccess::kRead;
}

}  // namespace locus
