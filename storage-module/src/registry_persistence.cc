// The registry in the RDB: auxiliary data of a module type that has no keys. It comes before the keys, and it
// replaces what is there, so that a replica after a full resynchronisation has exactly its primary's
// functions. Where there are none there is nothing of it (Redis 7.2 or later, Valkey), and a server without
// the module can load the RDB.
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

void SaveUnlessEmpty(RedisModuleIO* io, int when) {
  if (!TheModule().registry.functions().empty()) Save(io, when);
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

void Replace(Registry::Functions functions) {
  Module& module = TheModule();
  module.registry.Swap(&functions);
  for (const auto& [name, versions] : functions) {
    if (module.registry.Find(name) == nullptr) module.stats.Forget(name);
  }
}

/// Whether the RDB that is being loaded has replaced the functions.
bool replaced = false;

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
  Replace(std::move(functions));
  replaced = true;
  return redis::kOk;
}

/// An RDB without functions replaces them by none. An AOF does not: it has them as commands behind its RDB.
void OnLoading(RedisModuleCtx*, redis::ServerEvent, uint64_t subevent, void*) {
  static bool loads_rdb = false;
  if (subevent == redis::kLoadingEnded && loads_rdb && !replaced) Replace({});
  loads_rdb = subevent == redis::kLoadingStartsRdb || subevent == redis::kLoadingStartsReplica;
  replaced = false;
}

}  // namespace

bool RegisterPersistence(RedisModuleCtx* context) {
  redis::SetModuleOptions(context, redis::kHandlesIoErrors);
  static redis::TypeMethods methods;
  methods.aux_load = Load;
  methods.aux_save_triggers = redis::kAuxBeforeKeys;
  // A server that does not know it takes it for nothing, silently.
  if (redis::GetTypeMethodVersion() >= static_cast<int>(redis::kTypeMethodsWithAuxSave2)) {
    methods.version = redis::kTypeMethodsWithAuxSave2;
    methods.aux_save2 = SaveUnlessEmpty;
  } else {
    methods.aux_save = Save;
  }
  return redis::SubscribeToServerEvent(context, redis::kLoading, OnLoading) == redis::kOk &&
         redis::CreateDataType(context, kTypeName, kEncodingVersion, &methods) != nullptr;
}

}  // namespace locus
