// The module's one thread: it owns the supervisor of sandbox hosts, polls it, and runs the keyspace service.
// The main thread hands it calls and, at the end of its own passes, serves rounds in its stead
// (keyspace_service.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cached_reads.h"
#include "keyspace_service.h"
#include "lock_budget.h"
#include "main_loop.h"
#include "operation_runner.h"
#include "settings.h"
#include "supervisor.h"

namespace locus {

class ServiceThread {
 public:
  using OnLog = std::function<void(std::string_view source, std::string_view text)>;

  /// What LOCUS.INFO shows of it.
  struct State {
    std::vector<Supervisor::HostState> hosts;
    uint64_t hosts_cpu_us = 0;  ///< also of those that were since they were switched on
    Supervisor::Counters supervisor;
    std::vector<std::string> quarantined;  ///< functions, as name@version
    uint32_t in_flight = 0;
    Supervisor::CallStates calls;
    KeyspaceCounters keyspace;
    double lock_share = 0;  ///< of the last second
    size_t read_cache_bytes = 0;  ///< 0: there is none
    bool read_cache_in_use = false;
    uint64_t cached_operations = 0;  ///< found there by hosts
    uint64_t known_operations = 0;   ///< of these, whose values their isolates had
    ReadCache::Counters read_cache;
  };

  // On the main thread:

  /// Starts the thread. False when the machine refuses what it needs.
  bool Start(RedisModuleCtx* context, const Settings& settings, OnLog on_log);
  /// Takes over what can change while it runs; `enabled` starts or ends the hosts.
  void Apply(const Settings& settings);
  /// This server became a primary, or a replica.
  void SetPrimary(bool primary);
  /// A dump is read in, or no more.
  void SetLoading(bool loading) { reads_.SetLoading(loading); }
  /// As CachedReads::ReaderOf.
  uint32_t ReaderOf(RedisModuleCtx* context, RedisModuleString* user, int db) {
    return reads_.ReaderOf(context, user, db);
  }

  /// 0 when the queue is full, or no host may run.
  uint64_t Submit(Call&& call) { return hosts_ ? hosts_->supervisor.Submit(std::move(call)) : 0; }
  bool Cancel(uint64_t id) { return hosts_ && hosts_->supervisor.Cancel(id); }
  /// Has a host read the bundle, while enabled; `done` is called on the service thread.
  void Check(std::string bundle, std::function<void(CheckResult&&)> done) {
    hosts_->supervisor.Check(std::move(bundle), std::move(done));
  }
  /// As Supervisor::Limit; where no host may run, nothing.
  void Limit(std::unordered_map<std::string, uint32_t> isolates, int64_t until_ns) {
    if (hosts_) hosts_->supervisor.Limit(std::move(isolates), until_ns);
  }
  Supervisor::Loads loads() { return hosts_ ? hosts_->supervisor.loads() : Supervisor::Loads(); }
  /// As Supervisor::isolates_max; 0 where no host may run.
  uint32_t isolates_max() { return hosts_ ? hosts_->supervisor.isolates_max() : 0; }
  State state();

 private:
  /// What exists while functions may run here. The main thread and the service thread each hold it; who lets
  /// go last destroys it.
  struct Hosts {
    Hosts(SupervisorOptions options, OperationRunner* runner, KeyspaceCounters* counters)
        : supervisor(std::move(options)), keyspace(&supervisor, runner, counters) {}
    Supervisor supervisor;
    KeyspaceService keyspace;
  };

  bool OnMainPass(int64_t work_ns);
  void Account(const KeyspaceService::Served& served);
  void AllowShortcut();
  void Hand(std::shared_ptr<Hosts> hosts);

  void Run();
  std::shared_ptr<Hosts> Next();
  void RunHosts(Hosts& hosts);
  bool Step(Hosts& hosts, int64_t now);
  bool TryServe(KeyspaceService& keyspace);
  void Sleep(Hosts& hosts);
  void PublishCore(Hosts& hosts, int32_t core);

  OnLog on_log_;
  MainLoop main_loop_;
  CachedReads reads_;
  std::unique_ptr<OperationRunner> runner_;
  /// The main thread's.
  std::shared_ptr<Hosts> hosts_;
  // With the global lock:
  LockBudget budget_{0.5, 0};
  KeyspaceCounters counters_;
  int64_t window_started_ns_ = 0;
  int64_t window_lock_ns_ = 0;
  double lock_share_ = 0;
  bool shortcut_wanted_ = true;
  bool primary_ = false;
  bool cluster_ = false;
  // Between the threads:
  Descriptor wake_;
  std::mutex handed_mutex_;
  /// What the service thread is to run, one after the other; null: nothing.
  std::deque<std::shared_ptr<Hosts>> handed_;
  std::atomic<bool> changed_{false};  ///< something was handed over
  std::atomic<bool> may_serve_{true};
  std::atomic<int64_t> spin_ns_{0};
  // The service thread's:
  int64_t poll_due_ns_ = 0;
  int32_t core_ = -1;  ///< as published last
};

}  // namespace locus
