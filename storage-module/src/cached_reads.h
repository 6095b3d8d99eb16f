// What keeps the read cache (read_cache.h) right, of all that happens in Redis: which replies may go in, and
// what makes them wrong. A key's event, told within the command that changed it, forgets its replies; what
// empties or swaps databases, or makes this server a replica, forgets all. A reply is its reader's alone, one
// user in one database, who had it from Redis under that user's rights: before a command that may change rights
// runs nothing counts any more, and afterwards, if they have changed, everything is forgotten.
//
// For a primary outside a cluster, as the shortcut of GET (get_shortcut.h). Of reads that are found Redis knows
// nothing: nothing is kept while it counts how often keys are used (`maxmemory-policy` of LFU), and how lately
// they were it still knows to the second (kCachedReplyAgeNs), as exactly as it remembers that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "read_cache.h"
#include "redis_api.h"

namespace locus {

/// With the global lock. One per process: Redis' callbacks carry no state.
class CachedReads {
 public:
  /// Without memory for it nothing is ever kept.
  void Open(RedisModuleCtx* context, size_t bytes);
  int descriptor() const { return cache_.descriptor(); }
  size_t bytes() const { return cache_.bytes(); }
  bool in_use() const { return cache_.allowed(); }
  const ReadCache::Counters& counters() const { return cache_.counters(); }

  /// This server is a primary outside a cluster, or no more.
  void SetPrimary(bool primary);
  /// A dump is read in, or no more.
  void SetLoading(bool loading);
  /// The number under which this user has replies in this database; 0: none are kept.
  /// On the main thread.
  uint32_t ReaderOf(RedisModuleCtx* context, RedisModuleString* user, int db);

  /// Whether `Keep` is of use for the reply to a GET that is about to run. `reader`: whom it runs for; `now`: a time
  /// of this hold of the lock.
  bool Wants(uint32_t reader, std::string_view key, int64_t now);
  /// The reply that Redis just gave. `lasts`: whether the key stays until somebody changes it, where that
  /// is known.
  void Keep(RedisModuleCtx* context, uint32_t reader, std::string_view key, std::string_view reply,
            std::optional<bool> lasts, int64_t now);
  /// A function has changed this key in a way that Redis may tell nobody of.
  void Forget(std::string_view key) { cache_.Forget(key); }

  /// A pass of the main thread ends.
  void OnPass();

 private:
  struct Reader {
    uint32_t number = 0;
    std::string user;
    size_t rights = 0;  ///< a hash of how Redis describes them
  };

  static int OnKeyChanged(RedisModuleCtx*, int, const char*, RedisModuleString* key);
  static void OnDatabaseChanged(RedisModuleCtx*, redis::ServerEvent, uint64_t, void*);
  static void OnConfigChanged(RedisModuleCtx*, redis::ServerEvent, uint64_t, void*);
  static void OnCommand(RedisModuleCommandFilterCtx* command);
  bool Watch(RedisModuleCtx* context);
  void ReadPolicy(RedisModuleCtx* context);
  void Apply();
  bool HaveRightsChanged();

  ReadCache cache_;
  bool primary_ = false;
  bool loading_ = false;
  bool counts_uses_ = false;  ///< keys go by how often they are used
  bool wanted_ = false;       ///< a function has read something
  bool watching_ = false;     ///< Redis tells what changes
  bool obstructed_ = false;   ///< and will not
  bool was_paused_ = false;  ///< in the pass before, while rights might have changed
  uint32_t last_reader_ = 0;
  uint32_t first_reader_ = 1;  ///< those before are not asked for their rights any more, and have no replies
  std::unordered_map<std::string, Reader> readers_;  ///< by database and user
};

}  // namespace locus
