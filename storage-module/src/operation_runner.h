// Runs single operations in Redis as the user and in the database of an invocation, and writes their replies
// as RESP3. Used by the keyspace service with the global lock.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "command_table.h"
#include "redis_api.h"
#include "supervisor.h"

namespace locus {

/// For whom an invocation runs: the rights and the database of the client that called.
struct Caller final : Principal {
  Caller(std::string user_name, int database) : user(std::move(user_name)), db(database) {}
  const std::string user;
  const int db;
};

class OperationRunner {
 public:
  /// Called with the global lock (in OnLoad).
  explicit OperationRunner(RedisModuleCtx* context);

  RedisModuleCtx* context() const { return context_; }
  /// Whether this server is a primary outside a cluster: where GET may take its shortcut.
  void set_shortcut_allowed(bool allowed) { shortcut_allowed_ = allowed; }

  /// The caller that the next operations run as, until `Leave`.
  void Become(const Caller& caller);
  /// Before the lock is released: a user may be gone when it is taken again.
  void Leave();
  /// Runs the operation and appends its reply; an error is a reply like any other.
  void Run(const CommandRule& rule, std::span<const std::string_view> words, std::string* replies);

 private:
  bool RunGet(std::string_view key, std::string* replies);

  RedisModuleCtx* const context_;
  RedisModuleString* const get_name_;
  bool shortcut_allowed_ = false;
  const Caller* caller_ = nullptr;
  RedisModuleUser* user_ = nullptr;
};

/// Appends `-PREFIX message\r\n`.
void AppendErrorReply(std::string* replies, Code code, std::string_view message);

}  // namespace locus
