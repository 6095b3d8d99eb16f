#include "service_thread.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace locus {

namespace {

/// While there is work all the time, deadlines and deaths are looked at this often.
constexpr int64_t kPollEveryNs = 1'000'000;
/// Rounds that wait for the main thread's pass: it was asked for one, so this is only a second line.
constexpr int64_t kRunnableSleepNs = 1'000'000;
constexpr int64_t kShareWindowNs = 1'000'000'000;

}  // namespace

// ---- The main thread's side

bool ServiceThread::Start(RedisModuleCtx* context, const Settings& settings, OnLog on_log) {
  on_log_ = std::move(on_log);
  wake_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return false;
  reads_.Open(context, static_cast<size_t>(settings.read_cache_mb) << 20);
  runner_ = std::make_unique<OperationRunner>(context, &reads_);
  if (!main_loop_.Start(
          context, [this](int64_t work_ns) { return OnMainPass(work_ns); }, [this] { reads_.OnPass(); }))
    return false;
  const int flags = redis::GetContextFlags(context);
  cluster_ = (flags & redis::kIsCluster) != 0;
  SetPrimary((flags & redis::kIsPrimary) != 0);
  Apply(settings);
  // Never joined: it lives as long as Redis does, since a module with data cannot be unloaded.
  std::thread([this] { Run(); }).detach();
  return true;
}

void ServiceThread::Apply(const Settings& settings) {
  budget_.Configure(static_cast<double>(settings.lock_share_percent) / 100, settings.quantum_us * 1000);
  spin_ns_.store(settings.spin_us * 1000);
  shortcut_wanted_ = settings.get_shortcut != 0;
  AllowShortcut();
  if (settings.enabled == 0) {
    if (hosts_) Hand(nullptr);
  } else if (!hosts_) {
    SupervisorOptions options;
    options.command.launcher_path = settings.launcher;
    options.command.node_path = settings.node;
    options.command.program_path = settings.host;
    options.command.confine = settings.confinement != "off";
    options.command.nice = static_cast<int>(settings.host_nice);
    options.command.arguments = {"0", settings.confinement};
    options.isolate_bytes_max = static_cast<uint64_t>(settings.isolate_memory_mb) << 20;
    options.spread = static_cast<uint32_t>(settings.spread);
    options.queue_length_max = static_cast<uint32_t>(settings.queue_max);
    options.operation_rings = true;
    options.writes_are_tracked = true;
    options.read_cache = reads_.descriptor();
    options.read_cache_bytes = reads_.bytes();
    options.on_log = [this](std::string_view source, std::string_view text, uint64_t) {
      on_log_(source, text);
    };
    Hand(std::make_shared<Hosts>(std::move(options), runner_.get(), &counters_));
  }
}

void ServiceThread::SetPrimary(bool primary) {
  primary_ = primary;
  reads_.SetPrimary(primary_ && !cluster_);
  AllowShortcut();
}

void ServiceThread::AllowShortcut() {
  runner_->AllowGetShortcut(shortcut_wanted_ && primary_ && !cluster_);
}

void ServiceThread::Hand(std::shared_ptr<Hosts> hosts) {
  hosts_ = hosts;
  const std::lock_guard lock(handed_mutex_);
  handed_.push_back(std::move(hosts));
  changed_.store(true);
  // Under the lock: whoever takes it takes the wake-up with it.
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

ServiceThread::State ServiceThread::state() {
  State state;
  if (hosts_) {
    state.hosts = hosts_->supervisor.host_states();
    state.hosts_cpu_us = hosts_->supervisor.cpu_us();
    state.supervisor = hosts_->supervisor.counters();
    state.quarantined = hosts_->supervisor.quarantined();
    state.in_flight = hosts_->supervisor.in_flight();
    state.calls = hosts_->supervisor.call_states();
  }
  for (const Supervisor::HostState& host : state.hosts) {
    state.cached_operations += host.cached_operations;
    state.known_operations += host.known_operations;
  }
  state.read_cache_bytes = reads_.bytes();
  state.read_cache_in_use = reads_.in_use();
  state.read_cache = reads_.counters();
  state.keyspace = counters_;
  state.lock_share = NowNs() - window_started_ns_ < 2 * kShareWindowNs ? lock_share_ : 0;
  return state;
}

bool ServiceThread::OnMainPass(int64_t work_ns) {
  budget_.OnPass(work_ns);
  const int64_t hold_ns = budget_.available_ns();
  may_serve_.store(hold_ns > 0, std::memory_order_relaxed);
  if (hold_ns == 0 || !hosts_ || !hosts_->keyspace.runnable()) return false;
  // The service thread has it only for moments, and then it is at work itself.
  KeyspaceService& keyspace = hosts_->keyspace;
  const std::unique_lock serving(keyspace.serving(), std::try_to_lock);
  if (!serving) return false;
  const KeyspaceService::Served served = keyspace.Serve(hold_ns);
  counters_.main_holds++;
  counters_.main_lock_ns += served.held_ns;
  Account(served);
  keyspace.RingBells();
  return true;
}

// ---- Both, with the global lock

void ServiceThread::Account(const KeyspaceService::Served& served) {
  const int64_t now = served.end_ns;
  budget_.Spend(served.held_ns);
  may_serve_.store(budget_.available_ns() > 0, std::memory_order_relaxed);
  main_loop_.Watch(now);
  window_lock_ns_ += served.held_ns;
  if (now - window_started_ns_ < kShareWindowNs) return;
  lock_share_ = static_cast<double>(window_lock_ns_) / static_cast<double>(now - window_started_ns_);
  window_lock_ns_ = 0;
  window_started_ns_ = now;
}

// ---- The service thread's side

void ServiceThread::Run() {
  pthread_setname_np(pthread_self(), "locus");
  for (;;) {
    const std::shared_ptr<Hosts> hosts = Next();
    if (!hosts) continue;
    RunHosts(*hosts);
    hosts->supervisor.Close(
        Code::SIDE_UNAVAILABLE,
        "the storage side was switched off meanwhile: LOCUS.CONFIG SET enabled yes switches it on");
  }
}

// Waits for what is handed over. None is left out, however soon the next came: it may have been given calls,
// which it has to answer.
std::shared_ptr<ServiceThread::Hosts> ServiceThread::Next() {
  for (;;) {
    {
      const std::lock_guard lock(handed_mutex_);
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t bytes = read(wake_.get(), &count, sizeof count);
      if (!handed_.empty()) {
        std::shared_ptr<Hosts> hosts = std::move(handed_.front());
        handed_.pop_front();
        changed_.store(!handed_.empty());
        return hosts;
      }
    }
    pollfd wake = {wake_.get(), POLLIN, 0};
    poll(&wake, 1, -1);
  }
}

void ServiceThread::RunHosts(Hosts& hosts) {
  int64_t worked_ns = NowNs();
  // Acquired: what the main thread has done with these hosts it has done before it handed over others.
  while (!changed_.load(std::memory_order_acquire)) {
    const int64_t now = NowNs();
    PublishCore(hosts, sched_getcpu());
    if (Step(hosts, now)) {
      worked_ns = now;
    } else if (hosts.supervisor.busy() && hosts.supervisor.may_spin() &&
               now - worked_ns < spin_ns_.load(std::memory_order_relaxed)) {
      Relax();
    } else {
      Sleep(hosts);
      worked_ns = NowNs();
    }
  }
}

void ServiceThread::PublishCore(Hosts& hosts, int32_t core) {
  if (core != core_) hosts.supervisor.PublishCore(core);
  core_ = core;
}

bool ServiceThread::Step(Hosts& hosts, int64_t now) {
  bool worked = false;
  const bool poll = hosts.supervisor.HasReadyOutcomes() || now >= poll_due_ns_;
  if (poll || hosts.supervisor.HasReadyOperations()) {
    const std::lock_guard serving(hosts.keyspace.serving());
    if (poll) {
      worked |= hosts.supervisor.Poll();
      poll_due_ns_ = now + kPollEveryNs;
    }
    worked |= hosts.keyspace.Collect(now);
  }
  if (hosts.keyspace.runnable()) worked |= TryServe(hosts.keyspace);
  return worked;
}

bool ServiceThread::TryServe(KeyspaceService& keyspace) {
  if (!may_serve_.load(std::memory_order_relaxed)) {
    main_loop_.RequestPass();
    return false;
  }
  // Taken: the main thread is awake, and serves at the end of its pass.
  if (redis::ThreadSafeContextTryLock(runner_->context()) != redis::kOk) return false;
  const std::lock_guard serving(keyspace.serving());
  KeyspaceService::Served served;
  const int64_t hold_ns = budget_.available_ns();
  if (hold_ns > 0) {
    served = keyspace.Serve(hold_ns);
    Account(served);
  }
  const bool low = budget_.runs_low();
  redis::ThreadSafeContextUnlock(runner_->context());
  // Who was woken may have to run on this core.
  if (keyspace.RingBells()) sched_yield();
  if (served.wrote || low) main_loop_.RequestPass();
  return hold_ns > 0;
}

void ServiceThread::Sleep(Hosts& hosts) {
  int64_t until_ns = INT64_MAX;
  {
    const std::lock_guard serving(hosts.keyspace.serving());
    until_ns = hosts.keyspace.next_retry_ns();
  }
  if (hosts.keyspace.runnable()) {
    main_loop_.RequestPass();
    until_ns = std::min(until_ns, NowNs() + kRunnableSleepNs);
  }
  poll_due_ns_ = 0;
  PublishCore(hosts, -1);
  int64_t next_ns = INT64_MAX;
  if (!hosts.supervisor.PrepareSleep(&next_ns)) return;
  until_ns = std::min(until_ns, next_ns);
  timespec timeout = {};
  if (until_ns != INT64_MAX) {
    const int64_t left_ns = std::max<int64_t>(until_ns - NowNs(), 0);
    timeout = {left_ns / 1'000'000'000, left_ns % 1'000'000'000};
  }
  pollfd waits[] = {{hosts.supervisor.descriptor(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  ppoll(waits, 2, until_ns == INT64_MAX ? nullptr : &timeout, nullptr);
  hosts.supervisor.CancelSleep();
}

}  // namespace locus
