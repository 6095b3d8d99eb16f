// What Redis itself is set to, for decisions that depend on it.
#pragma once

#include <string>

#include "redis_api.h"

namespace locus {

/// The value of a setting of Redis, as CONFIG GET tells it; empty where there is none of that name. With the
/// global lock. About a microsecond.
std::string ReadServerConfig(RedisModuleCtx* context, const char* name);

}  // namespace locus
