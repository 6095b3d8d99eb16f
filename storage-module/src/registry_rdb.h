// The registry as it lies in an RDB, written and read:
//
//   count, then per function: name, count of versions, then per version, current first: description, bundle
//
// Everything that is read is checked: an RDB can come from anywhere.
#pragma once

#include "redis_api.h"
#include "registry.h"

namespace locus {

/// Of the format above.
constexpr int kRdbEncodingVersion = 1;

void SaveFunctions(RedisModuleIO* io, const Registry::Functions& functions);
/// False when they are not sound, or the RDB ends; the log says why.
bool LoadFunctions(RedisModuleIO* io, Registry::Functions* functions);

}  // namespace locus
