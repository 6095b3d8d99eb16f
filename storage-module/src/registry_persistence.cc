// The registry in the RDB: auxiliary data of a module type that has no keys. It comes before the keys, and it
// replaces what is there, so that a replica after a full resynchronisation has exactly its primary's
// functions. Where there are none there is nothing of it (Redis 7.2 or later, Valkey), and a server without
// the module can load the RDB. registry_rdb.h has the format.
#include "function_news.h"
#include "module.h"
#include "registry_rdb.h"

namespace locus {

namespace {

constexpr char kTypeName[] = "locus-fns";  // exactly nine characters

void Save(RedisModuleIO* io, int) {
  SaveFunctions(io, TheModule().registry.functions());
}

void SaveUnlessEmpty(RedisModuleIO* io, int when) {
  if (!TheModule().registry.functions().empty()) Save(io, when);
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

int LoadRegistry(RedisModuleIO* io, int encoding_version, int) {
  if (encoding_version != kRdbEncodingVersion) {
    redis::LogIOError(io, "warning", "functions are kept in format %d, this module reads %d",
                      encoding_version, kRdbEncodingVersion);
    return 1;
  }
  Registry::Functions functions;
  if (!LoadFunctions(io, &functions)) return 1;
  Replace(std::move(functions));
  replaced = true;
  return redis::kOk;
}

/// An RDB without functions replaces them by none. An AOF does not: it has them as commands behind its RDB.
void OnLoading(RedisModuleCtx* context, redis::ServerEvent, uint64_t subevent, void*) {
  static bool loads_rdb = false;
  if (subevent == redis::kLoadingEnded && loads_rdb && !replaced) Replace({});
  if (subevent == redis::kLoadingEnded && loads_rdb) AnnounceFunction(context, "replace", "", "");
  const bool ends = subevent == redis::kLoadingEnded || subevent == redis::kLoadingFailed;
  TheModule().service.SetLoading(!ends);
  loads_rdb = subevent == redis::kLoadingStartsRdb || subevent == redis::kLoadingStartsReplica;
  replaced = false;
}

}  // namespace

bool RegisterPersistence(RedisModuleCtx* context) {
  redis::SetModuleOptions(context, redis::kHandlesIoErrors | redis::kSignalsNothing);
  static redis::TypeMethods methods;
  methods.aux_load = LoadRegistry;
  methods.aux_save_triggers = redis::kAuxBeforeKeys;
  // A server that does not know it takes it for nothing, silently.
  if (redis::GetTypeMethodVersion() >= static_cast<int>(redis::kTypeMethodsWithAuxSave2)) {
    methods.version = redis::kTypeMethodsWithAuxSave2;
    methods.aux_save2 = SaveUnlessEmpty;
  } else {
    methods.aux_save = Save;
  }
  return redis::SubscribeToServerEvent(context, redis::kLoading, OnLoading) == redis::kOk &&
         redis::CreateDataType(context, kTypeName, kRdbEncodingVersion, &methods) != nullptr;
}

}  // namespace locus
