// What stands after `numkeys` in LOCUS.CALL and LOCUS.NODE RUN: the declared keys, then the function's args.
#pragma once

#include <span>
#include <string>
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

/// Takes `numkeys key …` off the front of `argv`.
Failure TakeKeys(Arguments* argv, CallArguments* call);

/// No argument is `null`, one is JSON text as it is (the sandbox parses it), several are an array of strings.
/// Call it after `TakeKeys`: keys and args share a bound.
Failure ReadArgs(Arguments argv, CallArguments* call);

}  // namespace locus
