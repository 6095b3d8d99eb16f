// GET without the machinery of a command, which costs most of the time of a small read: the same rights, the
// same look-up (which counts hits, expires and touches), and the value is read where it lies. Only where that
// leaves the value as it is: reading a short string in place would re-encode it, so those go the command's
// way. What runs here is not seen by MONITOR and INFO commandstats; with the setting `get-shortcut no` all that
// goes to Redis is (what the read cache has does not: `read-cache-mb 0`).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "redis_api.h"

namespace locus {

/// With the global lock.
class GetShortcut {
 public:
  GetShortcut() : get_name_(redis::CreateString(nullptr, "get", 3)) {}

  /// Off by default. For a primary outside a cluster: elsewhere a GET can be refused for reasons that only
  /// Redis knows.
  void Allow(bool allowed) { allowed_ = allowed; }

  /// False: nothing is appended, and the command itself must run. `lasts`: whether the key has no time to live;
  /// left as it is where there is no such key.
  bool Run(RedisModuleCtx* context, RedisModuleUser* user, std::string_view key, std::string* replies,
           std::optional<bool>* lasts);
  /// The command had to run and this is its reply: whether the next value is worth a look.
  void Learn(std::string_view reply);

 private:
  RedisModuleString* const get_name_;
  bool allowed_ = false;
  /// Whether the last value was long: a look at a short one is a look-up too many.
  bool expects_long_ = true;
};

}  // namespace locus
