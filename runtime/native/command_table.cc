#include "command_table.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace locus {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::string_view kOwnPrefix = "locus:";
/// Bytes of an argument that a message shows.
constexpr size_t kShownBytesMax = 64;

/// EDITS_MAX and EDITED_PART_MAX in runtime/similar-names.ts.
constexpr size_t kEditsMax = 3;
constexpr double kEditedPartMax = 0.6;

/// REFUSAL_HINT in runtime/channel/command-rule.ts.
constexpr std::string_view kHint = "; see docs/commands.md";
constexpr std::string_view kReasonTexts[] = {
#define LOCUS_REASON(name, text) text,
#include "command_table.inc"
#undef LOCUS_REASON
};

template <typename... Rules>
constexpr CommandRule Row(std::string_view name, uint8_t container_bytes, CommandStanding standing,
                          CommandAccess access, ReplyShape shape, RefusalReason reason, int8_t arity,
                          Rules... rules) {
  static_assert(sizeof...(rules) <= kArgumentRulesMax);
  return {name, container_bytes, standing, access, shape, reason, arity, sizeof...(rules), {rules...}};
}

constexpr auto kRules = [] {
  using enum CommandStanding;
  using enum CommandAccess;
  using enum ReplyShape;
#define LOCUS_RULE(kind, reason, first, last, step, token)                  \
  ArgumentRule {                                                            \
    ArgumentRuleKind::kind, RefusalReason::reason, first, last, step, token \
  }
#define LOCUS_COMMAND(name, container_bytes, standing, access, shape, reason, ...) \
  Row(name, container_bytes, standing, access, shape, RefusalReason::reason, __VA_ARGS__),
  return std::to_array<CommandRule>({
#include "command_table.inc"
  });
#undef LOCUS_COMMAND
#undef LOCUS_RULE
}();

/// As C's tolower, which Redis compares by.
constexpr char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool EqualsLower(std::string_view word, std::string_view lower) {
  if (word.size() != lower.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (Lower(word[i]) != lower[i]) return false;
  }
  return true;
}

/// FNV-1a, without regard to case.
constexpr uint32_t kHashStart = 2166136261u;
constexpr uint32_t Hash(std::string_view word, uint32_t hash = kHashStart) {
  for (const char c : word) hash = (hash ^ static_cast<uint8_t>(Lower(c))) * 16777619u;
  return hash;
}

/// Open addressing at a load of about a quarter; a slot holds a row's index + 1.
constexpr size_t kSlots = 1024;
static_assert(kRules.size() * 2 < kSlots);
constexpr auto kSlotOfHash = [] {
  std::array<uint16_t, kSlots> slots{};
  for (size_t row = 0; row < kRules.size(); ++row) {
    size_t slot = Hash(kRules[row].name) % kSlots;
    while (slots[slot] != 0) slot = (slot + 1) % kSlots;
    slots[slot] = static_cast<uint16_t>(row + 1);
  }
  return slots;
}();

const CommandRule* FindRow(uint32_t hash, auto&& matches) {
  for (size_t slot = hash % kSlots; kSlotOfHash[slot] != 0; slot = (slot + 1) % kSlots) {
    const CommandRule& rule = kRules[kSlotOfHash[slot] - 1];
    if (matches(rule)) return &rule;
  }
  return nullptr;
}

bool IsOwn(std::string_view key) {
  return key.starts_with(kOwnPrefix);
}

bool ReachesOwn(std::string_view pattern) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return IsOwn(pattern);
  const std::string_view start = pattern.substr(0, star);
  return IsOwn(start) || kOwnPrefix.starts_with(start);
}

/// Up to a NUL byte, since Redis compares C strings.
bool IsToken(std::string_view word, std::string_view token) {
  word = word.substr(0, word.find('\0'));
  return std::ranges::equal(word, token, {}, Lower, Lower);
}

struct Finding {
  size_t at;
  RefusalReason reason;
};

std::optional<Finding> CheckKeys(Words words, size_t first, size_t last, size_t step) {
  for (size_t at = first; at <= last && at < words.size(); at += step) {
    if (IsOwn(words[at])) return Finding{at, RefusalReason::kKey};
  }
  return std::nullopt;
}

/// The number of keys that the argument says, or more than there can be if it is no plain decimal.
size_t CountAt(Words words, size_t at) {
  const std::string_view word = at < words.size() ? words[at] : std::string_view();
  uint32_t count = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
  const bool plain =
      error == std::errc() && end == word.data() + word.size() && word.size() <= 9 && word.front() != '0';
  return plain ? count : words.size();
}

/// Follows Redis' own parser word by word: a group or a consumer may be called "STREAMS".
std::optional<Finding> CheckStreams(Words words) {
  for (size_t at = 1; at < words.size(); ++at) {
    const std::string_view word = words[at];
    if (IsToken(word, "STREAMS")) return CheckKeys(words, at + 1, at + (words.size() - at) / 2, 1);
    if (IsToken(word, "BLOCK")) return Finding{at, RefusalReason::kBlocks};
    if (IsToken(word, "GROUP")) {
      at += 2;
    } else if (IsToken(word, "COUNT")) {
      at += 1;
    } else if (!IsToken(word, "NOACK")) {
      return Finding{at, RefusalReason::kOption};
    }
  }
  return std::nullopt;
}

std::optional<Finding> CheckAfter(Words words, const ArgumentRule& rule) {
  for (size_t at = rule.first + 1; at < words.size(); ++at) {
    if (!IsToken(words[at - 1], rule.token)) continue;
    const bool forbidden = rule.reason == RefusalReason::kPattern ? ReachesOwn(words[at]) : IsOwn(words[at]);
    if (forbidden) return Finding{at, rule.reason};
  }
  return std::nullopt;
}

std::optional<Finding> CheckRule(const ArgumentRule& rule, Words words) {
  const size_t first = rule.first;
  switch (rule.kind) {
    case ArgumentRuleKind::kKeys: {
      const ptrdiff_t last = rule.last < 0 ? std::ssize(words) + rule.last : rule.last;
      return last < 0 ? std::nullopt : CheckKeys(words, first, last, rule.step);
    }
    case ArgumentRuleKind::kCounted:
      return CheckKeys(words, first + 1, first + CountAt(words, first), 1);
    case ArgumentRuleKind::kStreams:
      return CheckStreams(words);
    case ArgumentRuleKind::kAfter:
      return CheckAfter(words, rule);
    case ArgumentRuleKind::kForbidden:
      for (size_t at = first; at < words.size(); ++at) {
        if (IsToken(words[at], rule.token)) return Finding{at, rule.reason};
      }
      return std::nullopt;
    case ArgumentRuleKind::kChannel:
      if (first < words.size() && IsOwn(words[first])) return Finding{first, rule.reason};
      return std::nullopt;
  }
  return std::nullopt;
}

/// An argument in a message: one line of printable ASCII, whatever it holds.
std::string Shown(std::string_view argument) {
  std::string text(argument.substr(0, kShownBytesMax));
  for (char& c : text) {
    if (c <= 0x20 || c >= 0x7f) c = '?';
  }
  return argument.size() > kShownBytesMax ? text + "..." : text;
}

std::string DisplayName(const CommandRule& rule) {
  std::string name = locus::DisplayName(rule.name);
  std::replace(name.begin(), name.end(), '|', ' ');
  return name;
}

Refusal Refuse(std::string what, RefusalReason reason) {
  what += ": ";
  what += kReasonTexts[static_cast<size_t>(reason)];
  what += kHint;
  return {std::move(what)};
}

/// Letters put in, left out or replaced (Levenshtein, 1966), row by row.
size_t EditsBetween(std::string_view one, std::string_view other) {
  std::vector<size_t> above(other.size() + 1);
  std::iota(above.begin(), above.end(), size_t{0});
  for (size_t row = 0; row < one.size(); ++row) {
    size_t left_above = std::exchange(above[0], row + 1);
    for (size_t at = 0; at < other.size(); ++at) {
      const size_t replaced = left_above + (Lower(one[row]) == other[at] ? 0 : 1);
      left_above = above[at + 1];
      above[at + 1] = std::min({replaced, above[at + 1] + 1, above[at] + 1});
    }
  }
  return above[other.size()];
}

}  // namespace

std::vector<std::string_view> SimilarCommands(std::string_view name) {
  std::vector<std::string_view> similar;
  size_t fewest = kEditsMax;
  for (const CommandRule& rule : kRules) {
    // Of commands with subcommands the method is the container's.
    if (rule.standing == CommandStanding::kRefused || rule.container_bytes > 0) continue;
    const size_t longer = std::max(name.size(), rule.name.size());
    if (longer - std::min(name.size(), rule.name.size()) > kEditsMax) continue;
    const size_t edits = EditsBetween(name, rule.name);
    if (edits > fewest || static_cast<double>(edits) >= kEditedPartMax * static_cast<double>(longer))
      continue;
    if (edits < fewest) similar.clear();
    fewest = edits;
    similar.push_back(rule.name);
  }
  return similar;
}

std::string DisplayName(std::string_view name) {
  std::string shown = Shown(name);
  for (char& c : shown) c = c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c;
  return shown;
}

std::span<const CommandRule> CommandRules() {
  return kRules;
}

const CommandRule* FindCommand(std::string_view name, std::string_view sub) {
  const uint32_t hash = Hash(name);
  const CommandRule* rule = FindRow(
      hash, [&](const CommandRule& row) { return row.container_bytes == 0 && EqualsLower(name, row.name); });
  if (rule == nullptr || rule->standing != CommandStanding::kContainer) return rule;
  const CommandRule* exact = FindRow(Hash(sub, Hash("|", hash)), [&](const CommandRule& row) {
    return row.container_bytes == name.size() && EqualsLower(name, row.name.substr(0, name.size())) &&
           EqualsLower(sub, row.name.substr(name.size() + 1));
  });
  return exact == nullptr ? rule : exact;
}

std::optional<Refusal> CheckArguments(const CommandRule& rule, Words argv) {
  if (rule.standing == CommandStanding::kRefused) return Refuse(DisplayName(rule), rule.reason);
  if (rule.standing == CommandStanding::kContainer) {
    std::string what = DisplayName(rule);
    if (argv.size() > 1) what += " " + Shown(argv[1]);
    return Refuse(std::move(what), RefusalReason::kUnknown);
  }
  for (const ArgumentRule& argument : std::span(rule.rules).first(rule.rule_count)) {
    const std::optional<Finding> found = CheckRule(argument, argv);
    if (found) return Refuse(DisplayName(rule) + " " + Shown(argv[found->at]), found->reason);
  }
  return std::nullopt;
}

std::optional<Refusal> CheckOperation(Words argv) {
  const std::string_view name = argv.empty() ? std::string_view() : argv[0];
  const CommandRule* rule = FindCommand(name, argv.size() > 1 ? argv[1] : std::string_view());
  return rule == nullptr ? Refuse(Shown(name), RefusalReason::kUnknown) : CheckArguments(*rule, argv);
}

}  // namespace locus
