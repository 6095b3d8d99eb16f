// Runs single operations in Redis as the user and in the database of an invocation, and writes their replies
// as RESP3. Used by the keyspace service with the global lock.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cached_reads.h"
#include "command_table.h"
#include "get_shortcut.h"
#include "redis_api.h"
#include "supervisor.h"

namespace locus {

/// For whom an invocation runs: the rights and the database of the client that called.
class Caller final : public Principal {
 public:
  /// Takes over `user`, the name, which nobody else may hold: the last to let go may be any thread.
  Caller(RedisModuleString* user, int db, uint32_t reader) : user_(user), db_(db), reader_(reader) {}
  ~Caller() override;

  RedisModuleString* user() const { return user_; }
  int db() const { return db_; }
  /// As CachedReads::ReaderOf told it.
  uint32_t reader() const { return reader_; }

 private:
  RedisModuleString* const user_;
  const int db_;
  const uint32_t reader_;
};

class OperationRunner {
 public:
  /// Called with the global lock (in OnLoad).
  OperationRunner(RedisModuleCtx* context, CachedReads* reads);

  RedisModuleCtx* context() const { return context_; }
  void AllowGetShortcut(bool allowed) { get_shortcut_.Allow(allowed); }

  /// The caller that the next operations run as, until `Leave`; `now`: when they begin.
  void Become(const Caller& caller, int64_t now);
  /// Before the lock is released: a user may be gone when it is taken again.
  void Leave();
  /// Runs the operation and appends its reply; an error is a reply like any other.
  /// True where Redis counts it among the commands that it has processed.
  bool Run(const CommandRule& rule, std::span<const std::string_view> words, std::string* replies);

 private:
  /// False where Redis refused it before it ran.
  bool RunCommand(const CommandRule& rule, std::span<const std::string_view> words, std::string* replies);

  RedisModuleCtx* const context_;
  CachedReads* const reads_;
  GetShortcut get_shortcut_;
  const Caller* caller_ = nullptr;
  RedisModuleUser* user_ = nullptr;
  int db_ = -1;
  int64_t now_ns_ = 0;
};

/// Appends `-PREFIX message\r\n`.
void AppendErrorReply(std::string* replies, Code code, std::string_view message);

}  // namespace locus
