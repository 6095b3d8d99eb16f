// What a user sees of a failure: one line that begins with the word that the closed table of errors has for
// its code. A message says what was attempted, with which value, and what to do.
#pragma once

#include <string>
#include <string_view>

#include "codes.h"
#include "redis_api.h"

namespace locus {

/// A failure that is an answer: kOk where there is none.
struct Failure {
  Code code = Code::kOk;
  std::string message;

  explicit operator bool() const { return code != Code::kOk; }
};

/// Bytes of a message in an error reply or in the log; what is longer is cut.
constexpr size_t kMessageBytesMax = 1024;

/// The message on one line, printable, cut to `bytes_max` at a character's edge.
std::string OneLine(std::string_view message, size_t bytes_max = kMessageBytesMax);

/// `-PREFIX message`. Returns what a command handler returns.
int ReplyFailure(RedisModuleCtx* context, const Failure& failure);
int ReplyText(RedisModuleCtx* context, std::string_view text);

/// Bytes as text.
std::string Base64(std::string_view bytes);

/// The bytes of an argument; valid as long as the argument.
std::string_view TextOf(const RedisModuleString* argument);

/// A value as a message shows it: in quotes, on one line, cut.
std::string Shown(std::string_view value);

}  // namespace locus
