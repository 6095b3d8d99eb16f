// The registry in the RDB: auxiliary data of a module type that has no keys. It comes before the keys, and it
// replaces what is there, so that a replica after a full resynchronisation has exactly its primary's
// functions.
//
//   count, then per function: name, count of versions, then per version, current first: description, bundle
//
// Everything that is read is checked: an RDB can come from anywhere.
#include "function_description.h"
#include "function_version.h"
#include "module.h"

namespace locus {

namespace {

constexpr char kTypeName[] = "locus-fns";  // exactly nine characters
/// Of the format above.
constexpr int kEncodingVersion = 1;

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

void Save(RedisModuleIO* io, int) {
  const Registry::Functions& functions = TheModule().registry.functions();
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

int Load(RedisModuleIO* io, int encoding_version, int) {
  if (encoding_version != kEncodingVersion) {
    redis::LogIOError(io, "warning", "functions are kept in format %d, this module reads %d",
                      encoding_version, kEncodingVersion);
    return 1;
  }
  Registry::Functions functions;
  uint64_t count = 0;
  if (!LoadCount(io, kFunctionsMax, &count)) return 1;
  for (uint64_t i = 0; i < count; i++) {
    std::string name;
    Registry::Versions versions;
    if (!LoadText(io, kFunctionNameBytesMax, &name) || !LoadVersions(io, name, &versions)) return 1;
    functions.emplace(std::move(name), std::move(versions));
  }
  Module& module = TheModule();
  module.registry.Swap(&functions);
  for (const auto& [name, versions] : functions) {
    if (module.registry.Find(name) == nullptr) module.stats.Forget(name);
  }
  return redis::kOk;
}

}  // namespace

bool RegisterPersistence(RedisModuleCtx* context) {
  redis::SetModuleOptions(context, redis::kHandlesIoErrors);
  static redis::TypeMethods methods;
  methods.aux_load = Load;
  methods.aux_save = Save;
  methods.aux_save_triggers = redis::kAuxBeforeKeys;
  return redis::CreateDataType(context, kTypeName, kEncodingVersion, &methods) != nullptr;
}

}  // namespace locus
