// Taking calls, the owner's rounds, and time.
#include "supervisor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "supervisor_bounds.h"

namespace locus {

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      kick_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      // Microseconds: after an off and on again no number comes twice, and JavaScript holds them exactly.
      next_id_(static_cast<uint64_t>(NowNs() / 1000)),
      memory_watch_([this](uint32_t host, int pid, uint64_t bytes) { OnMemoryExceeded(host, pid, bytes); }) {
  epoll_event event = EventOf(Source::kKick, 0, EPOLLIN | EPOLLET);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, kick_.get(), &event);
  hosts_.push_back(std::make_unique<Host>());
}

Supervisor::~Supervisor() {
  const std::lock_guard lock(mutex_);
  for (auto& host : hosts_) host->process->Kill();
}

uint64_t Supervisor::Submit(Call&& call, Wake wake) {
  std::unique_lock lock(mutex_);
  if (closed_) return 0;
  Pool& pool = PoolOf(call.image);
  auto owned = std::make_unique<InFlight>();
  InFlight& flight = *owned;
  flight.id = ++next_id_;
  flight.call = std::move(call);
  flight.submitted_ns = NowNs();
  flight.bytes = flight.call.args.size() + flight.call.known.size();
  for (const std::string& key : flight.call.keys) flight.bytes += key.size();
  // Deployed bundles are few, and held in any case; of these one comes with every call.
  if (flight.call.image->tried) flight.bytes += flight.call.image->bundle.size();
  const bool behind_others = !pool.queue.empty();
  if (held_bytes_ + flight.bytes > kHeldBytesMax) {
    DropIfEmpty(pool);
    return 0;
  }
  const size_t opening = openings_.size();
  const bool dispatched = !behind_others && TryDispatch(pool, flight);
  const bool opens = openings_.size() > opening;
  if (!dispatched && queued_ >= options_.queue_length_max) {
    DropIfEmpty(pool);
    return 0;
  }
  const uint64_t id = flight.id;
  held_bytes_ += flight.bytes;
  // Of calls that have ended the deadlines stay until they come; there may be no more of those than of
  // others.
  if (deadlines_.size() > 2 * flights_.size() + kStaleDeadlinesMax) RebuildDeadlines();
  deadlines_.push({flight.call.deadline_ns + (dispatched ? kAnswerGraceNs : 0), id});
  const bool earliest = deadlines_.top().id == id;
  flights_.emplace(id, std::move(owned));
  if (!dispatched) {
    Enqueue(pool, id, /*first=*/false);
  }
  if (wake == Wake::kNow) RingDueBells();
  lock.unlock();
  // The owner sleeps until the earliest deadline that it knew of, those of openings among them. Where it serves the
  // operations as well, and has a core of its own, it wakes up beside the isolate rather than after it.
  const bool wakes_beside = options_.operation_rings && may_spin();
  if (earliest || opens || !dispatched || (wakes_beside && owner_sleeps_.load(std::memory_order_relaxed))) Kick();
  return id;
}

void Supervisor::WakeIsolates() {
  const std::lock_guard lock(mutex_);
  RingDueBells();
}

bool Supervisor::Cancel(uint64_t id) {
  std::unique_lock lock(mutex_);
  const auto found = flights_.find(id);
  if (found == flights_.end() || found->second->answered) return false;
  InFlight& flight = *found->second;
  Outcome outcome;
  outcome.code = Code::CANCELLED;
  outcome.message = "the invocation of " + flight.call.image->name + " was cancelled";
  if (flight.place.lane != 0) {
    HostLane& lane = hosts_[flight.place.host]->process->lane(flight.place.lane);
    lane.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kCancel), id, {});
    // For an isolate that is in a turn and does not look at its ring.
    lane.rings.words->cancelled.store(id, std::memory_order_relaxed);
    lane.Ring();
    Answer(flight, std::move(outcome));
  } else {
    LeaveQueue(flight);
    Answer(flight, std::move(outcome));
    Forget(id);
  }
  lock.unlock();
  Kick();
  return true;
}

void Supervisor::AllowWrites(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(id);
  if (found == flights_.end() || found->second->answered || found->second->place.lane == 0) return;
  HostLane& lane = hosts_[found->second->place.host]->process->lane(found->second->place.lane);
  lane.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kMayWrite), id, {});
  lane.Ring();
}

void Supervisor::Forget(uint64_t id) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return;
  held_bytes_ -= found->second->bytes;
  flights_.erase(found);
}

void Supervisor::RebuildDeadlines() {
  std::vector<Deadline> kept;
  kept.reserve(flights_.size());
  for (; !deadlines_.empty(); deadlines_.pop()) {
    if (flights_.contains(deadlines_.top().id)) kept.push_back(deadlines_.top());
  }
  deadlines_ = decltype(deadlines_)(std::greater<>(), std::move(kept));
}

void Supervisor::Check(std::string bundle, std::function<void(CheckResult&&)> done) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    Opening opening;
    opening.bundle = std::move(bundle);
    opening.done = std::move(done);
    opening.deadline_ns = NowNs() + kCheckPatienceNs;
    const uint64_t id = ++next_id_;
    openings_.emplace(id, std::move(opening));
    SendPendingChecks();
  }
  Kick();
}

bool Supervisor::Poll() {
  std::vector<std::function<void()>> deliveries;
  std::vector<std::unique_ptr<HostProcess>> let_go;
  const bool kicked = kicked_.exchange(false);
  bool found = HasReadyOutcomes() || kicked;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    const int64_t now = NowNs();
    epoll_event events[16];
    const int count = epoll_wait(epoll_.get(), events, 16, 0);
    for (int i = 0; i < count; i++) {
      const auto source = static_cast<Source>(events[i].data.u64 >> 32);
      const auto index = static_cast<uint32_t>(events[i].data.u64);
      if (index >= hosts_.size()) continue;
      Host& host = *hosts_[index];
      if (!host.process->alive()) continue;
      if (source == Source::kOutput) {
        if (host.output_due_ns == 0) TakeOutput(host, now);
      } else if (source == Source::kProcess) {
        PollHost(index);  // what it said before it went
        const std::string how = host.process->Reap();
        if (!how.empty()) OnHostDown(index, host.condemned.empty() ? how : host.condemned, now);
        found = true;
      }
    }
    PollHosts(now);
    PollDeadlines(now);
    PollOpenings(now);
    EndLimits(now);
    DispatchWaiting();
    KeepIsolates(now);
    RingDueBells();
    memory_watch_.SetBusy(dispatched_.load(std::memory_order_relaxed) > 0);
    deliveries.swap(deliveries_);
    let_go.swap(let_go_);
  }
  let_go.clear();
  for (const auto& deliver : deliveries) deliver();
  StartHosts();
  return found || !deliveries.empty();
}

bool Supervisor::PrepareSleep(int64_t* next_ns) {
  const std::lock_guard lock(mutex_);
  int64_t next = deadlines_.empty() ? INT64_MAX : deadlines_.top().at_ns;
  for (const auto& [id, opening] : openings_) next = std::min(next, opening.deadline_ns);
  next = std::min({next, keep_at_ns_, limits_at_ns_, limits_until_ns_});
  bool work = kicked_.load() || keep_due_ || !deliveries_.empty();
  for (uint32_t index = 0; index < hosts_.size(); index++) {
    const auto& host = hosts_[index];
    if (!host->process->alive()) {
      if (HostIsNeeded(index)) next = std::min(next, host->start_after_ns);
      continue;
    }
    if (host->output_due_ns != 0) next = std::min(next, host->output_due_ns);
    if (index != 0 && host->unused_since_ns != 0)
      next = std::min(next, host->unused_since_ns + kQuarantineIdleNs + kMs);
    if (!host->ready) next = std::min(next, host->started_ns + kStartDeadlineNs + kMs);
    HostHeader* header = host->process->header();
    AnnounceSleep(&header->supervisor_bell, Sleep::kOnDescriptor);
    if (header->outcome_ready.any() || header->operations_ready.any() || !host->condemned.empty())
      work = true;
  }
  *next_ns = next;
  if (!work && next > NowNs()) {
    owner_sleeps_.store(true, std::memory_order_relaxed);
    return true;
  }
  for (const auto& host : hosts_) {
    if (host->process->alive()) locus::CancelSleep(&host->process->header()->supervisor_bell);
  }
  return false;
}

void Supervisor::CancelSleep() {
  owner_sleeps_.store(false, std::memory_order_relaxed);
  for (const auto& host : hosts_) {
    if (host->process->alive()) locus::CancelSleep(&host->process->header()->supervisor_bell);
  }
}

void Supervisor::PollDeadlines(int64_t now) {
  while (!deadlines_.empty() && deadlines_.top().at_ns <= now) {
    const Deadline due = deadlines_.top();
    deadlines_.pop();
    const auto found = flights_.find(due.id);
    if (found == flights_.end()) continue;
    InFlight& flight = *found->second;
    const std::string& name = flight.call.image->name;
    if (flight.place.lane != 0 && due.at_ns < flight.call.deadline_ns + kAnswerGraceNs)
      continue;  // dispatched since
    if (!flight.answered) {
      Outcome outcome;
      outcome.code = Code::DEADLINE_EXCEEDED;
      outcome.message = flight.place.lane == 0
                            ? "no isolate for " + name + " came free before the deadline of the call"
                            : name + " did not end before its deadline" + TellProgress(flight, now, &outcome);
      Answer(flight, std::move(outcome));
    }
    if (flight.place.lane == 0) {
      LeaveQueue(flight);
      Forget(due.id);
      continue;
    }
    if (due.at_ns < flight.call.deadline_ns + kKillGraceNs) {
      deadlines_.push({flight.call.deadline_ns + kKillGraceNs, due.id});
      continue;
    }
    Host& host = *hosts_[flight.place.host];
    if (IsInAnothersTurn(host, flight)) {
      // Its isolate computes for a neighbour, which has a deadline of its own.
      deadlines_.push({now + kKillGraceNs, due.id});
      continue;
    }
    host.culprit = due.id;
    Condemn(flight.place.host, Code::DEADLINE_EXCEEDED,
            "did not end an invocation of " + name + " that was past its deadline");
  }
}

// Its isolate has not said how far it came: on a busy machine its watchdog is late too. What lies in the lane
// is about the last turn there, and no more than the time that there was is believed.
std::string Supervisor::TellProgress(const InFlight& flight, int64_t now, Outcome* outcome) const {
  const LaneWords* words = hosts_[flight.place.host]->process->lane(flight.place.lane).rings.words;
  if (words->turn_invocation.load(std::memory_order_relaxed) != flight.id)
    return ", and its isolate has not said in time how far it came";
  const auto since_ns = static_cast<uint64_t>(now - flight.dispatched_ns);
  const bool computes = words->turn_started_ns.load(std::memory_order_relaxed) != 0;
  UsageWire& usage = outcome->usage.isolate;
  usage.cpu_ns = std::min(words->computed_ns.load(std::memory_order_relaxed), since_ns);
  usage.wait_ns = since_ns - usage.cpu_ns;
  if (computes) usage.wait_ns = std::min(words->waited_ns.load(std::memory_order_relaxed), usage.wait_ns);
  char text[100];
  snprintf(text, sizeof text, ": when it was last seen, it had computed for %.1f ms and waited for %.1f ms",
           static_cast<double>(usage.cpu_ns) / 1e6, static_cast<double>(usage.wait_ns) / 1e6);
  return text;
}

void Supervisor::PollOpenings(int64_t now) {
  std::vector<uint64_t> late;
  for (const auto& [id, opening] : openings_) {
    if (opening.deadline_ns <= now) late.push_back(id);
  }
  for (const uint64_t id : late) {
    Opening& opening = openings_[id];
    if (opening.sent) {
      // The host's own deadline for loading is shorter: one that has not answered is stuck.
      Condemn(opening.host, Code::SANDBOX_DIED, "did not answer while it loaded a bundle");
      opening.deadline_ns = INT64_MAX;
      continue;
    }
    CheckResult result;
    const bool up = hosts_[0]->ready;
    result.code = up ? Code::OVERLOADED : Code::SIDE_UNAVAILABLE;
    result.message = up ? "the bundle waited " + std::to_string(kCheckPatienceNs / (1000 * kMs)) + " s for " +
                              std::to_string(kChecksMax) + " others that are being checked"
                        : "no sandbox host came up to check the bundle";
    AnswerCheck(opening, std::move(result));
    openings_.erase(id);
  }
}

void Supervisor::Answer(InFlight& flight, Outcome&& outcome) {
  flight.answered = true;
  const int64_t now = NowNs();
  outcome.usage.wall_ns = now - flight.submitted_ns;
  outcome.usage.queue_ns = (flight.dispatched_ns != 0 ? flight.dispatched_ns : now) - flight.submitted_ns;
  outcome.usage.start_ns = flight.start_ns;
  outcome.usage.lock_ns = flight.lock_ns;
  outcome.logs = std::move(flight.logs);
  if (flight.log_lines_dropped > 0 && flight.call.logs)
    outcome.logs.push_back("… " + std::to_string(flight.log_lines_dropped) + " more lines were dropped");
  deliveries_.emplace_back([done = std::move(flight.call.done), outcome = std::move(outcome)]() mutable {
    done(std::move(outcome));
  });
}

void Supervisor::AnswerCheck(Opening& opening, CheckResult&& result) {
  deliveries_.emplace_back(
      [done = std::move(opening.done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void Supervisor::LogLater(std::string source, std::string text, uint64_t call) {
  deliveries_.emplace_back([this, source = std::move(source), text = std::move(text), call] {
    options_.on_log(source, text, call);
  });
}

void Supervisor::Kick() {
  if (kicked_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(kick_.get(), &one, sizeof one);
}

bool Supervisor::HasReadyOperations() const {
  return std::any_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
    return host->process->alive() &&
           host->process->header()->operations_ready.any();
  });
}

bool Supervisor::HasReadyOutcomes() const {
  return kicked_.load(std::memory_order_relaxed) ||
         std::any_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
           return host->process->alive() &&
                  host->process->header()->outcome_ready.any();
         });
}

InFlight* Supervisor::InFlightAt(uint64_t id, Place place) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return nullptr;
  InFlight* flight = found->second.get();
  return flight->place.host == place.host && flight->place.lane == place.lane ? flight : nullptr;
}

InFlight* Supervisor::FindInFlight(uint64_t id, Place place) {
  const std::lock_guard lock(mutex_);
  InFlight* flight = InFlightAt(id, place);
  return flight != nullptr && !flight->answered ? flight : nullptr;
}

std::vector<Supervisor::HostState> Supervisor::host_states() {
  const std::lock_guard lock(mutex_);
  std::vector<HostState> states;
  for (uint32_t index = 0; index < hosts_.size(); index++) {
    const Host& host = *hosts_[index];
    HostState state;
    state.pid = host.process->pid();
    state.state = !host.process->alive() ? "gone" : host.ready ? "ready" : "starting";
    state.quarantine = index != 0;
    for (const Isolate& isolate : host.isolates) {
      if (isolate.state != LaneState::kFree) state.isolates++;
      if (isolate.state != LaneState::kFree && !TakesCalls(isolate)) state.passing++;
      state.in_flight += isolate.in_flight;
    }
    state.isolate_bytes = host.charged_bytes;
    state.restarts = host.restarts;
    state.resident_bytes = memory_watch_.resident_bytes(index);
    state.cpu_us = host.process->cpu_us();
    state.cached_operations = host.cached_operations;
    state.known_operations = host.known_operations;
    if (host.process->alive()) {
      const HostHeader& header = *host.process->header();
      state.cached_operations += header.cached_operations.load(std::memory_order_relaxed);
      state.known_operations += header.known_operations.load(std::memory_order_relaxed);
    }
    state.last_end = host.last_end;
    state.about = host.about;
    states.push_back(state);
  }
  return states;
}

uint32_t Supervisor::isolates_max() {
  const std::lock_guard lock(mutex_);
  const Host& host = *hosts_[0];
  const auto open = std::ranges::count_if(host.isolates, [](const Isolate& one) { return one.charged_bytes > 0; });
  const uint64_t mean = open == 0 ? kIsolateBytesUsual : host.charged_bytes / static_cast<uint64_t>(open);
  return static_cast<uint32_t>(std::clamp<uint64_t>(options_.isolate_bytes_max / mean, 1, LanesMax()));
}

bool Supervisor::TakesCalls(const Isolate& isolate) const {
  return isolate.state == LaneState::kReady && !isolate.retire && isolate.pool != nullptr;
}

std::vector<Supervisor::FunctionState> Supervisor::function_states() {
  const std::lock_guard lock(mutex_);
  const int64_t now = NowNs();
  std::vector<FunctionState> states;
  for (const auto& [key, pool] : pools_) states.push_back(StateOf(pool, now));
  return states;
}

uint64_t Supervisor::cpu_us() {
  const std::lock_guard lock(mutex_);
  uint64_t us = let_go_cpu_us_;
  for (const auto& host : hosts_) us += host->process->cpu_us();
  return us;
}

std::optional<Supervisor::FunctionState> Supervisor::function_state(const FunctionImage& image) {
  const std::lock_guard lock(mutex_);
  const auto pool = pools_.find(image.key());
  if (pool == pools_.end()) return std::nullopt;
  return StateOf(pool->second, NowNs());
}

Supervisor::FunctionState Supervisor::StateOf(const Pool& pool, int64_t now) {
  FunctionState state = {pool.image->name, pool.image->version, pool.bounds, ReadyIn(pool), 0, pool.cpu_ns};
  for (const uint32_t lane : pool.lanes) state.memory_bytes += MemoryOf({pool.host, lane}, now);
  return state;
}

Supervisor::Counters Supervisor::counters() {
  const std::lock_guard lock(mutex_);
  return counters_;
}

uint32_t Supervisor::in_flight() {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(flights_.size());
}

Supervisor::CallStates Supervisor::call_states() {
  const std::lock_guard lock(mutex_);
  CallStates states;
  for (const auto& [key, pool] : pools_) {
    const std::vector<Isolate>& isolates = hosts_[pool.host]->isolates;
    const auto has = [&isolates, &lanes = pool.lanes](LaneState state) {
      return std::ranges::any_of(lanes, [&](uint32_t lane) { return isolates[lane].state == state; });
    };
    const bool starting = has(LaneState::kOpening) && !has(LaneState::kReady);
    (starting ? states.starting : states.queued) += static_cast<uint32_t>(pool.queue.size());
  }
  for (const auto& [id, flight] : flights_) {
    const auto [host, lane] = flight->place;
    if (lane == 0 || flight->answered) continue;
    HostProcess& process = *hosts_[host]->process;
    const LaneWords* words = process.alive() ? process.lane(lane).rings.words : nullptr;
    const bool running = words != nullptr && words->turn_started_ns.load(std::memory_order_relaxed) != 0 &&
                         words->turn_invocation.load(std::memory_order_relaxed) == id;
    (running ? states.running : states.waiting)++;
  }
  return states;
}

}  // namespace locus
