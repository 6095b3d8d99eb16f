// The life of hosts: start, death, and what becomes of those who were in one. Whoever was running when a host
// died is the culprit and goes to quarantine; who merely shared the process is run again if nothing of it had
// been written.
#include <algorithm>
#include <cstring>
#include <utility>

#include "cores.h"
#include "supervisor.h"
#include "supervisor_bounds.h"

namespace locus {

epoll_event Supervisor::EventOf(Source source, uint32_t host, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = (static_cast<uint64_t>(source) << 32) | host;
  return event;
}

void Supervisor::PollHosts(int64_t now) {
  for (uint32_t index = 0; index < hosts_.size(); index++) {
    Host& host = *hosts_[index];
    if (!host.process->alive()) {
      if (now >= host.start_after_ns && HostIsNeeded(index)) to_start_.push_back(index);
      continue;
    }
    if (host.output_due_ns != 0 && now >= host.output_due_ns) TakeOutput(host, now);
    if (options_.operation_rings && now >= host.spinners_due_ns) CountSpinners(host, now);
    if (host.process->header()->outcome_ready.any()) PollHost(index);
    if (!host.ready && now - host.started_ns > kStartDeadlineNs)
      Condemn(index, Code::SANDBOX_DIED, "did not come up in time");
    if (!host.condemned.empty()) {
      OnHostDown(index, host.condemned, now);
    } else if (index != 0 && !HostIsNeeded(index)) {
      if (host.unused_since_ns == 0) host.unused_since_ns = now;
      if (now - host.unused_since_ns > kQuarantineIdleNs) LetGo(index);
    } else {
      host.unused_since_ns = 0;
    }
  }
}

// Anybody may give either process other cores, or another quota, at any time.
void Supervisor::CountSpinners(Host& host, int64_t now) {
  host.spinners_due_ns = now + kSpinnersEveryNs;
  const int32_t spinners = SpinnersOf(host.process->pid());
  host.process->header()->spinners_max.store(spinners, std::memory_order_relaxed);
  host.spinners = spinners;
  const bool any = std::any_of(hosts_.begin(), hosts_.end(),
                               [](const auto& one) { return one->process->alive() && one->spinners > 0; });
  may_spin_.store(any, std::memory_order_relaxed);
}

bool Supervisor::HostIsNeeded(uint32_t index) const {
  return index == 0 || std::any_of(pools_.begin(), pools_.end(),
                                   [&](const auto& entry) { return entry.second.host == index; });
}

// Without the lock but for the moment in which a host is taken in.
void Supervisor::StartHosts() {
  const uint32_t lanes = LanesMax() + 1;
  for (const uint32_t index : std::exchange(to_start_, {})) {
    const int64_t start = NowNs();
    auto process = std::make_unique<HostProcess>();
    const std::string failed = process->Start(
        options_.command,
        {lanes, options_.operation_rings, index == 0 ? options_.read_cache : -1, options_.connections});
    const std::lock_guard lock(mutex_);
    Host& host = *hosts_[index];
    ForgetIsolates(host, lanes);
    host.condemned.clear();
    host.lied = false;
    host.condemned_code = Code::SANDBOX_DIED;
    host.culprit = 0;
    host.output_due_ns = 0;
    host.started_ns = start;
    if (failed.empty()) {
      TakeHost(index, std::move(process));
    } else {
      OnHostDown(index, failed, start);
    }
  }
}

void Supervisor::ForgetIsolates(Host& host, size_t lanes) {
  host.isolates.assign(lanes, {});
  host.free_lanes.clear();
  for (size_t lane = lanes; lane > 1; lane--) host.free_lanes.push_back(static_cast<uint32_t>(lane - 1));
  host.charged_bytes = host.allowed_bytes = host.busy_bytes = 0;
  host.closing = host.opening = 0;
}

void Supervisor::TakeHost(uint32_t index, std::unique_ptr<HostProcess> process) {
  Host& host = *hosts_[index];
  host.process = std::move(process);
  host.spinners_due_ns = 0;
  epoll_event bell = EventOf(Source::kBell, index, EPOLLIN | EPOLLET);
  epoll_event gone = EventOf(Source::kProcess, index, EPOLLIN);
  epoll_event output = EventOf(Source::kOutput, index, EPOLLIN | EPOLLET);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process->bell_descriptor(), &bell);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process->pid_descriptor(), &gone);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process->output_descriptor(), &output);
  memory_watch_.Watch(index, host.process->pid(), kHostBytesBase);
}

void Supervisor::LetGo(uint32_t index) {
  Host& host = *hosts_[index];
  memory_watch_.Unwatch(index);
  host.process->Stop();
  let_go_cpu_us_ += host.process->cpu_us();
  if (host.process->alive()) {
    const HostHeader& header = *host.process->header();
    host.cached_operations += header.cached_operations.load(std::memory_order_relaxed);
    host.known_operations += header.known_operations.load(std::memory_order_relaxed);
  }
  // By hand: closing them is not enough while a child that Redis forked (to save) holds copies.
  for (const int fd :
       {host.process->bell_descriptor(), host.process->pid_descriptor(), host.process->output_descriptor()})
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  let_go_.push_back(std::exchange(host.process, std::make_unique<HostProcess>()));
  ForgetIsolates(host, host.isolates.size());
  host.ready = false;
}

void Supervisor::Condemn(uint32_t index, Code code, std::string reason) {
  Host& host = *hosts_[index];
  if (!host.condemned.empty()) return;
  host.condemned = std::move(reason);
  host.condemned_code = code;
  kicked_.store(true);
}

void Supervisor::CondemnAsLiar(uint32_t index, std::string reason) {
  hosts_[index]->lied = true;
  Condemn(index, Code::SANDBOX_DIED, std::move(reason));
}

void Supervisor::CondemnHost(uint32_t index, std::string reason) {
  const std::lock_guard lock(mutex_);
  CondemnAsLiar(index, std::move(reason));
}

// On the watch's thread. The process is stopped here and now, since the owner may be busy; the owner does the
// rest.
void Supervisor::OnMemoryExceeded(uint32_t index, int pid, uint64_t resident_bytes) {
  {
    const std::lock_guard lock(mutex_);
    // It may have been replaced since it was looked at.
    if (index >= hosts_.size() || hosts_[index]->process->pid() != pid) return;
    Condemn(index, Code::MEMORY_LIMIT,
            "was ended when its memory reached " + std::to_string(resident_bytes >> 20) + " MiB");
    counters_.killed_for_memory++;
    hosts_[index]->process->Stop();
  }
  Kick();
}

// Where V8 gives up it says why before it aborts; who was running then needed too much.
void Supervisor::TakeOutput(Host& host, int64_t now) {
  const bool all = host.process->ReadOutput(kOutputBytesPerRead, [&](std::string_view line) {
    for (const std::string_view sign : {"out of memory", "invalid size error", "Allocation failed"}) {
      if (line.find(sign) != line.npos && host.condemned.empty()) host.condemned_code = Code::MEMORY_LIMIT;
    }
    LogLater("sandbox-host", std::string(line));
  });
  host.output_due_ns = all ? 0 : now + kOutputPauseNs;
}

bool Supervisor::IsInAnothersTurn(const Host& host, const InFlight& flight) const {
  const LaneWords* words = host.process->lane(flight.place.lane).rings.words;
  return words->turn_started_ns.load(std::memory_order_relaxed) != 0 &&
         words->turn_invocation.load(std::memory_order_relaxed) != flight.id;
}

bool Supervisor::IsCulprit(const Host& host, const InFlight& flight) const {
  if (host.culprit != 0) return flight.id == host.culprit;
  const LaneWords* words = host.process->lane(flight.place.lane).rings.words;
  return words->turn_started_ns.load(std::memory_order_relaxed) != 0 &&
         words->turn_invocation.load(std::memory_order_relaxed) == flight.id;
}

// The Redis module knows what it ran; elsewhere the isolate's mark tells, which may say too much, never too
// little.
bool Supervisor::HasWritten(const Host& host, const InFlight& flight) const {
  if (flight.wrote || options_.writes_are_tracked) return flight.wrote;
  const LaneWords* words = host.process->lane(flight.place.lane).rings.words;
  return std::any_of(std::begin(words->wrote), std::end(words->wrote),
                     [&](const auto& mark) { return mark.load() == flight.id; });
}

bool Supervisor::MayRunAgain(const Host& host, const InFlight& flight) const {
  return !flight.answered && flight.starts < kStartsMax && !HasWritten(host, flight);
}

std::vector<InFlight*> Supervisor::EndLost(const Host& host, const std::vector<InFlight*>& lost,
                                           const std::string& what, std::optional<Code> blame) {
  std::vector<InFlight*> again;
  for (InFlight* flight : lost) {
    if (!blame && MayRunAgain(host, *flight)) {
      again.push_back(flight);
      continue;
    }
    if (!flight->answered) {
      Outcome outcome;
      outcome.code = blame.value_or(Code::SANDBOX_DIED);
      outcome.message = what + " while it ran " + flight->call.image->name +
                        (HasWritten(host, *flight) ? ", which had sent writes" : "");
      Answer(*flight, std::move(outcome));
    }
    Forget(flight->id);
  }
  return again;
}

void Supervisor::RunAgain(InFlight& flight) {
  counters_.reruns++;
  flight.place = {};
  flight.dispatched_ns = 0;
  flight.logs.clear();
  flight.log_bytes = 0;
  flight.log_lines_dropped = 0;
  Enqueue(PoolOf(flight.call.image), flight.id, /*first=*/true);
  deadlines_.push({flight.call.deadline_ns, flight.id});
}

void Supervisor::OnHostDown(uint32_t index, const std::string& how, int64_t now) {
  Host& host = *hosts_[index];
  if (host.process->alive()) {
    host.process->Stop();
    TakeOutput(host, now);
  }
  LogLater("supervisor", "the sandbox host (pid " + std::to_string(host.process->pid()) + ") " + how);
  counters_.deaths++;
  if (host.condemned_code == Code::DEADLINE_EXCEEDED) counters_.killed_for_time++;
  std::vector<InFlight*> suspects, others;
  for (auto& [id, flight] : flights_) {
    if (flight->place.lane == 0 || flight->place.host != index) continue;
    dispatched_.fetch_sub(1, std::memory_order_relaxed);
    (IsCulprit(host, *flight) ? suspects : others).push_back(flight.get());
  }
  // Where several were running nobody is blamed yet: each runs on in a host of its own, and only one of them
  // will cost it.
  std::vector<std::string> culprits;
  for (const InFlight* suspect : suspects) culprits.push_back(suspect->call.image->key());
  std::sort(culprits.begin(), culprits.end());
  culprits.erase(std::unique(culprits.begin(), culprits.end()), culprits.end());
  // What was being loaded may have ended it: that has its own count, and nobody else is charged for it. Of who
  // runs and is loaded once more it does not matter which of the two it was.
  const bool loading = host.culprit == 0 && std::ranges::any_of(openings_, [&](const auto& entry) {
                         const Opening& opening = entry.second;
                         return opening.sent && opening.host == index &&
                                (opening.lane == 0 || culprits.size() != 1 ||
                                 host.isolates[opening.lane].pool == nullptr ||
                                 host.isolates[opening.lane].pool->key != culprits[0]);
                       });
  if (loading) {
    for (InFlight* flight : suspects) flight->starts--;
    for (InFlight* flight : others) flight->starts--;
  }
  EndOpenings(index, how);
  const bool certain = culprits.size() == 1 && !loading;
  const std::string what = "the sandbox host " + how;
  std::vector<InFlight*> again =
      EndLost(host, suspects, what, certain ? std::optional(host.condemned_code) : std::nullopt);
  for (InFlight* flight : EndLost(host, others, what, std::nullopt)) again.push_back(flight);
  NoteLost(index, culprits, now);
  for (auto& [key, pool] : pools_) {
    if (pool.host != index) continue;
    CountOpen(*pool.image, -static_cast<int64_t>(pool.lanes.size()));
    pool.lanes.clear();
  }
  for (const std::string& key : culprits) SendToQuarantine(key);
  for (InFlight* flight : again) RunAgain(*flight);
  for (auto entry = pools_.begin(); entry != pools_.end();) DropIfEmpty((entry++)->second);
  keep_due_ = true;

  const bool came_up = host.ready;
  LetGo(index);
  host.last_end = how;
  host.restarts++;
  host.condemned.clear();
  host.lied = false;
  // One that had come up is replaced at once; one that did not, or not for long, is tried again ever more
  // slowly.
  if (came_up && now - host.started_ns > kShortLifeNs) {
    host.start_failures = 0;
    host.start_after_ns = now;
  } else {
    host.start_after_ns = now + PauseNs(host.start_failures++);
  }
  kicked_.store(true);
}

// Those that were only being opened may have ended the host.
void Supervisor::NoteLost(uint32_t index, const std::vector<std::string>& culprits, int64_t now) {
  Host& host = *hosts_[index];
  // One that never came up has opened nothing of what the one before had.
  if (!host.ready) return;
  std::vector<std::pair<double, std::shared_ptr<const FunctionImage>>> lost;
  for (const auto& [key, pool] : pools_) {
    if (pool.host != index || ReadyIn(pool) == 0 || std::ranges::binary_search(culprits, key)) continue;
    const double calls = pool.use.CallsAt(now);
    if (calls >= kCallsToComeBack) lost.emplace_back(calls, pool.image);
  }
  std::ranges::sort(lost, {}, [](const auto& entry) { return entry.first; });
  // What has not been opened again since the last death comes last.
  std::erase_if(host.lost, [&](const auto& image) { return std::ranges::binary_search(culprits, image->key()); });
  if (host.lost.size() > kLanesMax) host.lost.clear();
  for (auto& [calls, image] : lost) host.lost.push_back(std::move(image));
}

void Supervisor::EndOpenings(uint32_t index, const std::string& how) {
  const Host& host = *hosts_[index];
  for (auto entry = openings_.begin(); entry != openings_.end();) {
    Opening& opening = entry->second;
    if (!opening.sent || opening.host != index) {
      ++entry;
      continue;
    }
    if (opening.lane == 0) {
      // Who else was in the host may have ended it: a bundle is to blame when it happens again.
      if (++opening.starts < kStartsMax) {
        opening.sent = false;
        opening.deadline_ns = NowNs() + kCheckPatienceNs;
        ++entry;
        continue;
      }
      CheckResult result;
      result.code = Code::FUNCTION_INVALID;
      result.message = "the sandbox host " + how + " each time it loaded the bundle";
      AnswerCheck(opening, std::move(result));
    } else if (Pool* const pool = host.isolates[opening.lane].pool;
               pool != nullptr && ++pool->failed_openings >= kStartsMax) {
      const std::string why = "the sandbox host " + how + " each time it loaded " + pool->image->name;
      if (pool->bounds.min > 0) LogLater("supervisor", why + ": those that are to be kept open wait");
      FailQueue(*pool, Code::SANDBOX_DIED, why);
      FailWishes(*pool, 0, Code::SANDBOX_DIED, why);
      pool->failed_openings = 0;
      pool->open_after_ns = NowNs() + kDeadlyPauseNs;
    }
    entry = openings_.erase(entry);
  }
}

// ---- Quarantine

// The function gets a host of its own, or shares one with others that cost a process when there are too many.
void Supervisor::SendToQuarantine(const std::string& key) {
  counters_.quarantined++;
  Quarantine& entry = quarantined_[key];
  entry.good_invocations = 0;
  entry.since = ++quarantines_;
  if (entry.host == 0) {
    std::vector<uint32_t> tenants(hosts_.size(), 0);
    for (const auto& [other, quarantine] : quarantined_) tenants[quarantine.host]++;
    for (uint32_t index = 1; index < tenants.size(); index++) {
      if (entry.host == 0 || tenants[index] < tenants[entry.host]) entry.host = index;
    }
    if (entry.host == 0 || (tenants[entry.host] > 0 && hosts_.size() <= kQuarantineHostsMax)) {
      entry.host = static_cast<uint32_t>(hosts_.size());
      hosts_.push_back(std::make_unique<Host>());
    }
  }
  const uint32_t host = entry.host;
  if (const auto pool = pools_.find(key); pool != pools_.end() && pool->second.lanes.empty())
    pool->second.host = host;
  LogLater("supervisor", key + " cost a sandbox host and runs in one of its own until it has behaved");
  if (quarantined_.size() <= kQuarantinedMax) return;
  quarantined_.erase(
      std::min_element(quarantined_.begin(), quarantined_.end(),
                       [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
}

void Supervisor::NoteGoodInvocation(Pool& pool) {
  if (pool.host == 0) return;
  const auto entry = quarantined_.find(pool.key);
  if (entry == quarantined_.end() || ++entry->second.good_invocations < kGoodInvocationsToLeave) return;
  const Host& host = *hosts_[pool.host];
  const bool idle =
      pool.queue.empty() && std::all_of(pool.lanes.begin(), pool.lanes.end(), [&](uint32_t lane) {
        return host.isolates[lane].state == LaneState::kReady && host.isolates[lane].in_flight == 0;
      });
  if (!idle) return;
  counters_.released++;
  LogLater("supervisor", pool.key + " has behaved and shares a sandbox host again");
  quarantined_.erase(entry);
  const uint32_t index = pool.host;
  // The last of them takes the pool with it; the next call makes one in the shared host.
  const std::vector<uint32_t> lanes = pool.lanes;
  for (const uint32_t lane : lanes) CloseLane(index, lane);
}

std::vector<std::string> Supervisor::quarantined() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, entry] : quarantined_) keys.push_back(key);
  return keys;
}

// ---- The end

void Supervisor::Close(Code code, const std::string& message) {
  std::vector<std::function<void()>> deliveries;
  std::vector<std::unique_ptr<HostProcess>> let_go;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [id, flight] : flights_) {
      if (flight->answered) continue;
      const bool wrote = flight->place.lane != 0 && hosts_[flight->place.host]->process->alive() &&
                         HasWritten(*hosts_[flight->place.host], *flight);
      Outcome outcome;
      outcome.code = wrote ? Code::SANDBOX_DIED : code;
      outcome.message = wrote ? message + " while the invocation ran, which had sent writes" : message;
      Answer(*flight, std::move(outcome));
    }
    for (auto& [id, opening] : openings_) {
      if (opening.lane != 0) continue;
      CheckResult result;
      result.code = code;
      result.message = message;
      AnswerCheck(opening, std::move(result));
    }
    for (auto& [key, pool] : pools_) FailWishes(pool, 0, code, message);
    flights_.clear();
    openings_.clear();
    waiting_.clear();
    open_by_name_.clear();
    pools_.clear();
    queued_ = 0;
    held_bytes_ = 0;
    dispatched_.store(0);
    for (uint32_t index = 0; index < hosts_.size(); index++) LetGo(index);
    deliveries.swap(deliveries_);
    let_go.swap(let_go_);
  }
  let_go.clear();
  for (const auto& deliver : deliveries) deliver();
}

bool Supervisor::SendDescriptor(uint32_t index, std::string_view message, int fd) {
  const std::lock_guard lock(mutex_);
  return index < hosts_.size() && hosts_[index]->process->alive() &&
         hosts_[index]->process->SendDescriptor(message, fd);
}

}  // namespace locus
