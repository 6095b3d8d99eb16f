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

/// Takes `numkeys key …` off the front of `argv`.
Failure TakeKeys(Arguments* argv, CallArguments* call);

/// No argument is `null`, one is JSON text as it is (the sandbox parses it), several are an array of strings.
/// Call it after `TakeKeys`: keys and args share a bound.
Failure ReadArgs(Arguments argv, CallArguments* call);

}  // namespace locus
