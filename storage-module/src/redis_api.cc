#include "redis_api.h"

#include <cstring>

namespace locus::redis {

#define LOCUS_DEFINE(result, name, parameters) result(*name) parameters = nullptr;
LOCUS_REDIS_FUNCTIONS(LOCUS_DEFINE)
#undef LOCUS_DEFINE

namespace {

using GetApi = int (*)(const char* name, void* target);

}  // namespace

std::string LoadRedisApi(RedisModuleCtx* context) {
  GetApi get_api = nullptr;
  std::memcpy(&get_api, static_cast<void*>(context), sizeof get_api);
  std::string missing;
#define LOCUS_RESOLVE(result, name, parameters)                        \
  if (get_api("RedisModule_" #name, static_cast<void*>(&name)) != kOk) \
    missing += std::string(missing.empty() ? "" : ", ") + #name;
  LOCUS_REDIS_FUNCTIONS(LOCUS_RESOLVE)
#undef LOCUS_RESOLVE
  return missing;
}

}  // namespace locus::redis
