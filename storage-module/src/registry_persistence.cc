// The registry in the RDB: auxiliary data of a module type that has no keys. It comes before the keys, and it
// replaces what is there, so that a replica after a full resynchronisation has exactly its primary's
// functions. registry_rdb.h has the format.
#include "module.h"
#include "registry_rdb.h"

namespace locus {

namespace {

constexpr char kTypeName[] = "locus-fns";  // exactly nine characters

void Save(RedisModuleIO* io, int) {
  SaveFunctions(io, TheModule().registry.functions());
}

int Load(RedisModuleIO* io, int encoding_version, int) {
  if (encoding_version != kRdbEncodingVersion) {
    redis::LogIOError(io, "warning", "functions are kept in format %d, this module reads %d",
                      encoding_version, kRdbEncodingVersion);
    return 1;
  }
  Registry::Functions functions;
  if (!LoadFunctions(io, &functions)) return 1;
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
  return redis::CreateDataType(context, kTypeName, kRdbEncodingVersion, &methods) != nullptr;
}

}  // namespace locus
