#include "cached_reads.h"

#include <functional>
#include <utility>

#include "call_arguments.h"
#include "reply.h"
#include "server_config.h"

namespace locus {

namespace {

CachedReads* the_reads = nullptr;

/// Of users and databases that have replies; with one more all are forgotten. Chosen, not measured: each is asked
/// for its rights when any have changed.
constexpr size_t kReadersMax = 64;
/// What the values of PFADD begin with: PFCOUNT changes them, and says nothing.
constexpr std::string_view kHyperLogLog = "HYLL";

/// 0: there is no such user.
size_t RightsOf(RedisModuleString* name) {
  RedisModuleUser* user = redis::GetModuleUserFromUserName(name);
  if (user == nullptr) return 0;
  RedisModuleString* description = redis::GetModuleUserACLString(user);
  const size_t rights = std::hash<std::string_view>{}(TextOf(description)) | 1;
  redis::FreeString(nullptr, description);
  redis::FreeModuleUser(user);
  return rights;
}

/// Whether commands bear the names that we look for: an operator may have renamed them.
bool HasCommands(RedisModuleCtx* context, const char* one, const char* other) {
  RedisModuleCallReply* reply = redis::Call(context, "COMMAND", "ccc", "INFO", one, other);
  bool has = reply != nullptr;
  for (size_t i = 0; has && i < 2; i++) {
    RedisModuleCallReply* about = redis::CallReplyArrayElement(reply, i);
    has = about != nullptr && redis::CallReplyType(about) == redis::kReplyArray;
  }
  if (reply != nullptr) redis::FreeCallReply(reply);
  return has;
}

/// The text of a bulk string begins behind its first line.
bool IsHyperLogLog(std::string_view reply) {
  const size_t line = reply.find('\n');
  return line != reply.npos && reply.substr(line + 1).starts_with(kHyperLogLog);
}

/// Whether the key stays until somebody changes it. It may have gone since it was read. The look-up leaves no
/// trace: the read that it belongs to has left its own.
bool Lasts(RedisModuleCtx* context, std::string_view name) {
  RedisModuleString* text = redis::CreateString(nullptr, name.data(), name.size());
  RedisModuleKey* key = redis::OpenKey(context, text, redis::kKeyWrite | redis::kKeyUntouched);
  const bool lasts = key != nullptr && redis::GetExpire(key) == redis::kNoExpire;
  if (key != nullptr) redis::CloseKey(key);
  redis::FreeString(nullptr, text);
  return lasts;
}

}  // namespace

void CachedReads::Open(RedisModuleCtx* context, size_t bytes) {
  the_reads = this;
  if (bytes < kReadCacheBytesMin) return;
  if (!cache_.Open(bytes) ||
      redis::SubscribeToServerEvent(context, redis::kFlushDb, OnDatabaseChanged) != redis::kOk ||
      redis::SubscribeToServerEvent(context, redis::kSwapDb, OnDatabaseChanged) != redis::kOk ||
      redis::SubscribeToServerEvent(context, redis::kConfigChange, OnConfigChanged) != redis::kOk)
    obstructed_ = true;
}

void CachedReads::SetPrimary(bool primary) {
  primary_ = primary;
  Apply();
}

void CachedReads::SetLoading(bool loading) {
  loading_ = loading;
  Apply();
}

void CachedReads::Apply() {
  cache_.Allow(watching_ && primary_ && !loading_ && !counts_uses_);
}

// What is told of each change of any key costs writes an eighth (docs/storage-module.md): a server whose functions
// read nothing is not asked for it.
uint32_t CachedReads::ReaderOf(RedisModuleCtx* context, RedisModuleString* user, int db) {
  if (!watching_ && !(wanted_ && !obstructed_ && Watch(context))) return 0;
  std::string key = std::to_string(db).append(" ").append(TextOf(user));
  const auto found = readers_.find(key);
  if (found != readers_.end()) return found->second.number;
  if (last_reader_ == UINT32_MAX) return 0;
  last_reader_++;
  if (readers_.size() >= kReadersMax) {
    readers_.clear();
    first_reader_ = last_reader_;
    cache_.ForgetAll();
  }
  readers_.emplace(std::move(key), Reader{last_reader_, std::string(TextOf(user)), RightsOf(user)});
  return last_reader_;
}

bool CachedReads::Watch(RedisModuleCtx* context) {
  obstructed_ = cache_.descriptor() < 0 || !HasCommands(context, "acl", "exec") ||
                redis::SubscribeToKeyspaceEvents(context, redis::kNotifyChanges, OnKeyChanged) != redis::kOk ||
                redis::RegisterCommandFilter(context, OnCommand, redis::kFilterNotOurs) == nullptr;
  watching_ = !obstructed_;
  ReadPolicy(context);
  return watching_;
}

bool CachedReads::Wants(uint32_t reader, std::string_view key, int64_t now) {
  wanted_ = true;
  return reader >= first_reader_ && cache_.Wants(reader, key, now);
}

void CachedReads::Keep(RedisModuleCtx* context, uint32_t reader, std::string_view key,
                       std::string_view reply, std::optional<bool> lasts, int64_t now) {
  const bool is_missing = reply.starts_with('_');
  if (!is_missing && (!reply.starts_with('$') || IsHyperLogLog(reply))) return;
  if (!is_missing && !(lasts ? *lasts : Lasts(context, key))) return;
  cache_.Put(reader, key, reply, now);
}

int CachedReads::OnKeyChanged(RedisModuleCtx*, int, const char*, RedisModuleString* key) {
  the_reads->cache_.Forget(TextOf(key));
  return redis::kOk;
}

void CachedReads::OnDatabaseChanged(RedisModuleCtx*, redis::ServerEvent, uint64_t, void*) {
  the_reads->cache_.ForgetAll();
}

void CachedReads::OnConfigChanged(RedisModuleCtx* context, redis::ServerEvent, uint64_t, void*) {
  the_reads->ReadPolicy(context);
}

// Where CONFIG was renamed away it is not known, and may be any.
void CachedReads::ReadPolicy(RedisModuleCtx* context) {
  const std::string policy = ReadServerConfig(context, "maxmemory-policy");
  counts_uses_ = policy.empty() || policy.ends_with("lfu");
  Apply();
}

// Before each command runs. EXEC may have queued one that changes rights, before we looked even.
void CachedReads::OnCommand(RedisModuleCommandFilterCtx* command) {
  const std::string_view name = TextOf(redis::CommandFilterArgGet(command, 0));
  if (IsWord(name, "acl")) {
    if (redis::CommandFilterArgsCount(command) < 2) return;
    const std::string_view what = TextOf(redis::CommandFilterArgGet(command, 1));
    if (!IsWord(what, "setuser") && !IsWord(what, "deluser") && !IsWord(what, "load")) return;
  } else if (!IsWord(name, "exec")) {
    return;
  }
  the_reads->cache_.Suspend();
}

// What was seen before it ran has run by now, unless clients are paused: then it runs in the pass after that.
void CachedReads::OnPass() {
  if (!cache_.suspended()) return;
  const bool is_paused = redis::AvoidReplicaTraffic() != 0;
  if (std::exchange(was_paused_, is_paused) || is_paused) return;
  if (HaveRightsChanged()) cache_.ForgetAll();
  cache_.Resume();
}

bool CachedReads::HaveRightsChanged() {
  bool changed = false;
  for (auto& [key, reader] : readers_) {
    RedisModuleString* name = redis::CreateString(nullptr, reader.user.data(), reader.user.size());
    const size_t rights = RightsOf(name);
    redis::FreeString(nullptr, name);
    changed |= rights != reader.rights;
    reader.rights = rights;
  }
  return changed;
}

}  // namespace locus
