// News of functions, for this server's subscribers. Replicas tell theirs when a change reaches them.
#pragma once

#include <string_view>

#include "redis_api.h"

namespace locus {

/// `event` is load, delete, or replace: all functions were replaced at once, and `name` is empty.
void AnnounceFunction(RedisModuleCtx* context, std::string_view event, std::string_view name,
                      std::string_view version);

}  // namespace locus
