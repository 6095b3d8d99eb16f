#include "registry_rdb.h"

#include "function_description.h"
#include "lane.h"
#include "reply.h"

namespace locus {

namespace {

void SaveText(RedisModuleIO* io, std::string_view text) {
  redis::SaveStringBuffer(io, text.data(), text.size());
}

bool LoadText(RedisModuleIO* io, size_t bytes_max, std::string* text) {
  RedisModuleString* loaded = redis::LoadString(io);
  if (loaded == nullptr) return false;
  const std::string_view view = TextOf(loaded);
  const bool fits = view.size() <= bytes_max;
  if (fits) *text = view;
  redis::FreeString(nullptr, loaded);
  return fits && redis::IsIOError(io) == 0;
}

bool LoadCount(RedisModuleIO* io, uint64_t max, uint64_t* count) {
  *count = redis::LoadUnsigned(io);
  return redis::IsIOError(io) == 0 && *count <= max;
}

bool LoadVersions(RedisModuleIO* io, const std::string& name, Registry::Versions* versions) {
  uint64_t count = 0;
  if (!LoadCount(io, kVersionsKept, &count) || count == 0) return false;
  for (uint64_t i = 0; i < count; i++) {
    std::string description;
    std::string bundle;
    if (!LoadText(io, kDescriptionBytesMax, &description) || !LoadText(io, kBundleBytesMax, &bundle))
      return false;
    Deployment deployment;
    const Failure failure = Registry::Prepare(std::move(bundle), std::move(description), &deployment);
    if (failure || deployment.image->name != name) {
      redis::LogIOError(io, "warning", "the function %s is not sound: %s", OneLine(name).c_str(),
                        OneLine(failure.message).c_str());
      return false;
    }
    versions->push_back(std::move(deployment));
  }
  return true;
}

}  // namespace

void SaveFunctions(RedisModuleIO* io, const Registry::Functions& functions) {
  redis::SaveUnsigned(io, functions.size());
  for (const auto& [name, versions] : functions) {
    SaveText(io, name);
    redis::SaveUnsigned(io, versions.size());
    for (const Deployment& deployment : versions) {
      SaveText(io, deployment.description);
      SaveText(io, deployment.image->bundle);
    }
  }
}

bool LoadFunctions(RedisModuleIO* io, Registry::Functions* functions) {
  uint64_t count = 0;
  if (!LoadCount(io, kFunctionsMax, &count)) return false;
  for (uint64_t i = 0; i < count; i++) {
    std::string name;
    Registry::Versions versions;
    if (!LoadText(io, kFunctionNameBytesMax, &name) || !LoadVersions(io, name, &versions)) return false;
    functions->emplace(std::move(name), std::move(versions));
  }
  return true;
}

}  // namespace locus
