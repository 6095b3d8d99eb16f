// What stands after `numkeys` in LOCUS.CALL and LOCUS.NODE RUN: the declared keys, then the function's args.
// And numbers among the arguments of any command.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis_api.h"
#include "reply.h"

namespace locus {

using Arguments = std::span<RedisModuleString* const>;

struct CallArguments {
  std::vector<std::string> keys;
  std::string args = "null";  ///< JSON text
};

/// Redis asks a command for the positions of its keys by calling it, in a mode of its own: that of cluster
/// routing in Redis 7.0, which does not look at key specifications. True when this was such a call; it is
/// answered then.
bool AnsweredKeyPositions(RedisModuleCtx* context, RedisModuleString** argv, int argc, int numkeys_at);

/// A whole number within a range, as an argument `name` of a command.
Failure ReadNumber(const char* name, std::string_view text, int64_t min, int64_t max, int64_t* number);

/// Whether it is that word of a command's own, in any case.
bool IsWord(std::string_view argument, std::string_view word);

/// Takes `numkeys key …` off the front of `argv`.
Failure TakeKeys(Arguments* argv, CallArguments* call);

/// No argument is `null`, one is JSON text as it is (the sandbox parses it), several are an array of strings.
/// Call it after `TakeKeys`: keys and args share a bound.
Failure ReadArgs(Arguments argv, CallArguments* call);

}  // namespace locus
