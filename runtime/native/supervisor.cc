#include "supervisor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace locus {

namespace {

constexpr int64_t kMs = 1'000'000;
/// An isolate answers its own deadlines; after this the supervisor answers in its stead (it is stuck in
/// another turn).
constexpr int64_t kAnswerGraceNs = 20 * kMs;
/// After this past its deadline an invocation that is still in an isolate costs its host the life.
constexpr int64_t kKillGraceNs = 1000 * kMs;
/// Loading a bundle, start of the isolate included.
constexpr int64_t kOpenDeadlineNs = 10'000 * kMs;
/// A host that has not reported itself ready by then is started anew.
constexpr int64_t kStartDeadlineNs = 30'000 * kMs;
/// First and longest pause before a host that did not come up is tried again; doubles in between.
constexpr int64_t kRestartPauseNs = 50 * kMs;
constexpr int64_t kRestartPauseMaxNs = 5'000 * kMs;
constexpr size_t kLogLineBytesMax = 8 * 1024;

enum class Source : uint32_t { kKick, kBell, kProcess, kOutput };

epoll_event EventOf(Source source, uint32_t host, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = (static_cast<uint64_t>(source) << 32) | host;
  return event;
}

std::string_view Take(std::string_view* from, size_t bytes) {
  const std::string_view taken = from->substr(0, bytes);
  from->remove_prefix(taken.size());
  return taken;
}

std::string PoolKey(const FunctionImage& image) {
  return image.name + "@" + image.version;
}

}  // namespace

Supervisor::Supervisor(SupervisorOptions options)
    : options_(std::move(options)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      kick_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event = EventOf(Source::kKick, 0, EPOLLIN | EPOLLET);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, kick_.get(), &event);
  hosts_.push_back(std::make_unique<Host>());
}

Supervisor::~Supervisor() {
  for (auto& host : hosts_) host->process.Kill();
}

// ---- Taking calls
// ---------------------------------------------------------------------------------------------

uint64_t Supervisor::Submit(Call&& call) {
  std::unique_lock lock(mutex_);
  if (closed_) return 0;
  Pool& pool = PoolOf(call.image);
  auto owned = std::make_unique<InFlight>();
  InFlight& flight = *owned;
  flight.id = ++next_id_;
  flight.call = std::move(call);
  flight.submitted_ns = NowNs();
  const bool behind_others = !pool.queue.empty();
  const bool dispatched = !behind_others && TryDispatch(pool, flight);
  if (!dispatched && queued_ >= options_.queue_length_max) {
    DropIfEmpty(pool);
    return 0;
  }
  const uint64_t id = flight.id;
  deadlines_.push({flight.call.deadline_ns + (dispatched ? kAnswerGraceNs : 0), id});
  const bool earliest = deadlines_.top().id == id;
  flights_.emplace(id, std::move(owned));
  if (!dispatched) {
    pool.queue.push_back(id);
    queued_++;
  }
  lock.unlock();
  // The owner sleeps until the earliest deadline that it knew of.
  if (earliest || !dispatched) Kick();
  return id;
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
    HostLane& lane = hosts_[flight.place.host]->process.lane(flight.place.lane);
    lane.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kCancel), id, {});
    lane.Ring();
    Answer(flight, std::move(outcome));
  } else {
    LeaveQueue(flight);
    Answer(flight, std::move(outcome));
    flights_.erase(found);
  }
  lock.unlock();
  Kick();
  return true;
}

void Supervisor::Check(std::string bundle, std::function<void(CheckResult&&)> done) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    Opening opening;
    opening.bundle = std::move(bundle);
    opening.done = std::move(done);
    opening.deadline_ns = NowNs() + kOpenDeadlineNs;
    const uint64_t id = ++next_id_;
    openings_.emplace(id, std::move(opening));
    SendPendingChecks();
  }
  Kick();
}

Supervisor::Pool& Supervisor::PoolOf(const std::shared_ptr<const FunctionImage>& image) {
  Pool& pool = pools_[PoolKey(*image)];
  if (!pool.image) {
    pool.key = PoolKey(*image);
    pool.image = image;
  }
  return pool;
}

// An idle isolate is best. Where all are busy, one more is worth starting up to the spread; meanwhile the
// least loaded takes the call as long as its concurrency allows.
bool Supervisor::TryDispatch(Pool& pool, InFlight& flight) {
  Host& host = *hosts_[pool.host];
  uint32_t best = 0;
  bool opening = false;
  for (const uint32_t lane : pool.lanes) {
    const Isolate& isolate = host.isolates[lane];
    if (isolate.state == LaneState::kOpening) opening = true;
    if (isolate.state != LaneState::kReady || isolate.retire) continue;
    if (best == 0 || isolate.in_flight < host.isolates[best].in_flight ||
        (isolate.in_flight == host.isolates[best].in_flight && isolate.used_ns > host.isolates[best].used_ns))
      best = lane;
  }
  const bool idle = best != 0 && host.isolates[best].in_flight == 0;
  if (!idle && !opening && pool.lanes.size() < options_.spread) OpenIsolate(pool);
  if (best == 0 || host.isolates[best].in_flight >= pool.image->limits.concurrency) return false;
  Dispatch(pool, best, flight);
  return true;
}

void Supervisor::Dispatch(Pool& pool, uint32_t lane, InFlight& flight) {
  Host& host = *hosts_[pool.host];
  HostLane& ring = host.process.lane(lane);
  const Call& call = flight.call;
  InvokeHeader header = {};
  header.deadline_ns = call.deadline_ns;
  header.cpu_limit_ns = int64_t{pool.image->limits.cpu_ms} * kMs;
  header.operations_max = pool.image->limits.operations;
  header.key_count = static_cast<uint32_t>(call.keys.size());
  header.args_bytes = static_cast<uint32_t>(call.args.size());
  for (const std::string& key : call.keys)
    header.keys_bytes += static_cast<uint32_t>(sizeof(uint32_t) + key.size());
  std::string payload;
  payload.reserve(sizeof header + header.keys_bytes + header.args_bytes);
  payload.append(reinterpret_cast<const char*>(&header), sizeof header);
  for (const std::string& key : call.keys) {
    const auto bytes = static_cast<uint32_t>(key.size());
    payload.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    payload.append(key);
  }
  payload.append(call.args);

  flight.place = {pool.host, lane};
  flight.dispatched_ns = NowNs();
  Isolate& isolate = host.isolates[lane];
  isolate.in_flight++;
  isolate.used_ns = flight.dispatched_ns;
  dispatched_.fetch_add(1, std::memory_order_relaxed);
  ring.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kInvoke), flight.id, payload);
  ring.Ring();
}

void Supervisor::DispatchQueue(Pool& pool) {
  while (!pool.queue.empty()) {
    const auto found = flights_.find(pool.queue.front());
    if (found == flights_.end()) {
      pool.queue.pop_front();
      continue;
    }
    if (!TryDispatch(pool, *found->second)) return;
    deadlines_.push({found->second->call.deadline_ns + kAnswerGraceNs, found->first});
    pool.queue.pop_front();
    queued_--;
  }
}

void Supervisor::DispatchWaiting() {
  if (queued_ == 0) return;
  for (auto& [key, pool] : pools_) {
    if (!pool.queue.empty()) DispatchQueue(pool);
  }
}

// ---- Isolates
// -------------------------------------------------------------------------------------------------

uint32_t Supervisor::FreeLane(Host& host) {
  for (uint32_t lane = 1; lane < host.isolates.size(); lane++) {
    if (host.isolates[lane].state == LaneState::kFree) return lane;
  }
  return 0;
}

bool Supervisor::OpenIsolate(Pool& pool) {
  Host& host = *hosts_[pool.host];
  if (!host.ready) return false;
  const uint32_t lane = FreeLane(host);
  if (lane == 0) {
    // A pool that has an isolate already waits for it rather than taking another function's.
    if (pool.lanes.empty()) EvictIdle(pool.host);
    return false;
  }
  host.isolates[lane] = {LaneState::kOpening, pool.key, 0, NowNs(), false};
  pool.lanes.push_back(lane);
  Opening opening;
  opening.host = pool.host;
  opening.lane = lane;
  opening.deadline_ns = NowNs() + kOpenDeadlineNs;
  const uint64_t id = ++next_id_;
  SendOpen(id, openings_.emplace(id, std::move(opening)).first->second);
  return true;
}

void Supervisor::SendOpen(uint64_t id, Opening& opening) {
  Host& host = *hosts_[opening.host];
  std::string options = "{}";
  std::string_view bundle = opening.bundle;
  if (opening.lane != 0) {
    const FunctionImage& image = *pools_[host.isolates[opening.lane].pool].image;
    // Name and version are of closed alphabets: nothing to escape.
    options = "{\"name\":\"" + image.name + "\",\"version\":\"" + image.version +
              "\",\"memoryMb\":" + std::to_string(image.limits.memory_mb) + "}";
    bundle = image.bundle;
  }
  OpenHeader header = {opening.lane, static_cast<uint32_t>(options.size()),
                       static_cast<uint32_t>(bundle.size()), 0};
  std::string payload(reinterpret_cast<const char*>(&header), sizeof header);
  payload.append(options).append(bundle);
  HostLane& control = host.process.lane(kControlLane);
  control.to_isolate.Write(static_cast<uint16_t>(Control::kOpen), id, payload);
  control.Ring();
  opening.sent = true;
  opening.bundle.clear();
}

void Supervisor::SendPendingChecks() {
  if (!hosts_[0]->ready) return;
  for (auto& [id, opening] : openings_) {
    if (!opening.sent) SendOpen(id, opening);
  }
}

// The least recently used idle isolate makes room; its lane is free once the host says so.
void Supervisor::EvictIdle(uint32_t index) {
  Host& host = *hosts_[index];
  uint32_t oldest = 0;
  for (uint32_t lane = 1; lane < host.isolates.size(); lane++) {
    const Isolate& isolate = host.isolates[lane];
    if (isolate.state == LaneState::kClosing) return;  // room is on its way
    if (isolate.state != LaneState::kReady || isolate.in_flight > 0) continue;
    if (oldest == 0 || isolate.used_ns < host.isolates[oldest].used_ns) oldest = lane;
  }
  if (oldest != 0) CloseLane(index, oldest);
}

void Supervisor::CloseLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  RemoveFromPool(index, lane);
  host.isolates[lane].state = LaneState::kClosing;
  HostLane& ring = host.process.lane(lane);
  ring.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kClose), 0, {});
  ring.Ring();
}

void Supervisor::RemoveFromPool(uint32_t index, uint32_t lane) {
  const auto pool = pools_.find(hosts_[index]->isolates[lane].pool);
  if (pool == pools_.end()) return;
  std::erase(pool->second.lanes, lane);
  DropIfEmpty(pool->second);
}

void Supervisor::LeaveQueue(const InFlight& flight) {
  queued_--;
  const auto pool = pools_.find(PoolKey(*flight.call.image));
  if (pool == pools_.end()) return;
  std::erase(pool->second.queue, flight.id);
  DropIfEmpty(pool->second);
}

void Supervisor::DropIfEmpty(Pool& pool) {
  if (!pool.lanes.empty() || !pool.queue.empty()) return;
  const std::string key = pool.key;
  pools_.erase(key);
}

void Supervisor::FailQueue(Pool& pool, Code code, const std::string& message, const std::string& stack) {
  for (const uint64_t id : pool.queue) {
    const auto found = flights_.find(id);
    if (found == flights_.end()) continue;
    Outcome outcome;
    outcome.code = code;
    outcome.message = message;
    outcome.stack = stack;
    Answer(*found->second, std::move(outcome));
    flights_.erase(found);
    queued_--;
  }
  pool.queue.clear();
}

// ---- The owner's rounds
// ---------------------------------------------------------------------------------------

bool Supervisor::Poll() {
  std::vector<std::function<void()>> deliveries;
  bool found = kicked_.exchange(false);
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
      if (source == Source::kOutput) {
        host.process.ReadOutput([&](std::string_view line) { LogLater("sandbox-host", std::string(line)); });
      } else if (source == Source::kProcess) {
        PollHost(index, now);  // what it said before it went
        const std::string how = host.process.Reap();
        if (!how.empty()) OnHostDown(index, how, now);
        found = true;
      }
    }
    for (uint32_t index = 0; index < hosts_.size(); index++) {
      Host& host = *hosts_[index];
      if (!host.process.alive()) {
        if (now >= host.start_after_ns) StartHost(index, now);
        continue;
      }
      if (!host.condemned.empty()) {
        host.process.Kill();
        OnHostDown(index, host.condemned, now);
        found = true;
        continue;
      }
      if (!host.ready && now - host.started_ns > kStartDeadlineNs) {
        host.condemned = "did not come up in time";
        continue;
      }
      if (host.process.header()->outcome_ready.load(std::memory_order_relaxed) != 0) {
        PollHost(index, now);
        found = true;
      }
    }
    PollDeadlines(now);
    PollOpenings(now);
    DispatchWaiting();
    deliveries.swap(deliveries_);
  }
  for (const auto& deliver : deliveries) deliver();
  return found || !deliveries.empty();
}

bool Supervisor::PrepareSleep(int64_t* next_ns) {
  const std::lock_guard lock(mutex_);
  int64_t next = deadlines_.empty() ? INT64_MAX : deadlines_.top().at_ns;
  for (const auto& [id, opening] : openings_) next = std::min(next, opening.deadline_ns);
  bool work = kicked_.load() || !deliveries_.empty();
  for (const auto& host : hosts_) {
    if (!host->process.alive()) {
      next = std::min(next, host->start_after_ns);
      continue;
    }
    if (!host->ready) next = std::min(next, host->started_ns + kStartDeadlineNs + kMs);
    HostHeader* header = host->process.header();
    AnnounceSleep(&header->supervisor_bell, Sleep::kOnDescriptor);
    if (header->outcome_ready.load() != 0 || header->operations_ready.load() != 0 || !host->condemned.empty())
      work = true;
  }
  *next_ns = next;
  if (!work && next > NowNs()) return true;
  for (const auto& host : hosts_) {
    if (host->process.alive()) locus::CancelSleep(&host->process.header()->supervisor_bell);
  }
  return false;
}

void Supervisor::CancelSleep() {
  for (const auto& host : hosts_) {
    if (host->process.alive()) locus::CancelSleep(&host->process.header()->supervisor_bell);
  }
}

void Supervisor::PollHost(uint32_t index, int64_t) {
  Host& host = *hosts_[index];
  uint64_t ready = host.process.header()->outcome_ready.exchange(0, std::memory_order_acquire);
  while (ready != 0) {
    const auto lane = static_cast<uint32_t>(__builtin_ctzll(ready));
    ready &= ready - 1;
    if (lane >= host.process.lane_count()) {
      host.condemned = "named a lane that is not there";
    } else if (lane == kControlLane) {
      PollControl(index);
    } else {
      PollLane(index, lane);
    }
  }
}

void Supervisor::PollLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  HostLane& ring = host.process.lane(lane);
  Frame frame;
  bool ring_bell = false;
  while (ring.from_isolate.Read(&frame)) {
    const Place place{index, lane};
    switch (static_cast<FromIsolate>(frame.kind)) {
      case FromIsolate::kOutcome:
        OnOutcome(place, frame);
        break;
      case FromIsolate::kLog:
        OnLog(place, frame);
        break;
      default:
        host.condemned = "sent an unknown kind of frame";
    }
    ring_bell |= ring.from_isolate.Release();
    if (!host.condemned.empty()) return;
  }
  ring_bell |= ring.from_isolate.TakeProducerWake();
  if (!ring.to_isolate.Flush() || ring_bell) ring.Ring();
  if (ring.from_isolate.broken() || ring.to_isolate.broken()) host.condemned = "broke the rules of the ring";
}

void Supervisor::OnOutcome(Place place, const Frame& frame) {
  Host& host = *hosts_[place.host];
  OutcomeHeader header;
  std::string_view rest = frame.payload;
  if (rest.size() < sizeof header) {
    host.condemned = "sent a torn outcome";
    return;
  }
  std::memcpy(&header, Take(&rest, sizeof header).data(), sizeof header);
  const uint64_t bytes = uint64_t{header.result_bytes} + header.message_bytes + header.stack_bytes;
  if (bytes != rest.size() || header.code >= static_cast<uint32_t>(Code::kCount)) {
    host.condemned = "sent a torn outcome";
    return;
  }
  const auto found = flights_.find(frame.id);
  if (found == flights_.end() || found->second->place.host != place.host ||
      found->second->place.lane != place.lane) {
    host.condemned = "answered an invocation that it does not have";
    return;
  }
  InFlight& flight = *found->second;
  Isolate& isolate = host.isolates[place.lane];
  isolate.in_flight--;
  isolate.used_ns = NowNs();
  dispatched_.fetch_sub(1, std::memory_order_relaxed);
  if (header.retire != 0) isolate.retire = true;
  if (!flight.answered) {
    Outcome outcome;
    outcome.code = static_cast<Code>(header.code);
    outcome.result = Take(&rest, header.result_bytes);
    outcome.message = Take(&rest, header.message_bytes);
    outcome.stack = Take(&rest, header.stack_bytes);
    outcome.usage.isolate = header.usage;
    Answer(flight, std::move(outcome));
  }
  flights_.erase(found);
  if (isolate.retire && isolate.in_flight == 0 && isolate.state == LaneState::kReady) {
    CloseLane(place.host, place.lane);
  } else if (const auto pool = pools_.find(isolate.pool);
             pool != pools_.end() && !pool->second.queue.empty()) {
    DispatchQueue(pool->second);
  }
}

void Supervisor::OnLog(Place place, const Frame& frame) {
  const auto found = flights_.find(frame.id);
  if (found == flights_.end() || found->second->place.lane != place.lane ||
      found->second->place.host != place.host)
    return;
  InFlight& flight = *found->second;
  std::string line(frame.payload.substr(0, kLogLineBytesMax));
  if (flight.log_bytes + line.size() > kLogBytesMax) {
    flight.log_lines_dropped++;
    return;
  }
  flight.log_bytes += line.size();
  LogLater(flight.call.image->name, line);
  if (flight.call.logs) flight.logs.push_back(std::move(line));
}

void Supervisor::PollControl(uint32_t index) {
  Host& host = *hosts_[index];
  HostLane& ring = host.process.lane(kControlLane);
  Frame frame;
  bool ring_bell = false;
  while (ring.from_isolate.Read(&frame)) {
    OnControl(index, frame);
    ring_bell |= ring.from_isolate.Release();
    if (!host.condemned.empty()) return;
  }
  ring_bell |= ring.from_isolate.TakeProducerWake();
  if (!ring.to_isolate.Flush() || ring_bell) ring.Ring();
  if (ring.from_isolate.broken() || ring.to_isolate.broken()) host.condemned = "broke the rules of the ring";
}

void Supervisor::OnControl(uint32_t index, const Frame& frame) {
  Host& host = *hosts_[index];
  switch (static_cast<Control>(frame.kind)) {
    case Control::kReady:
      host.ready = true;
      host.start_failures = 0;
      SendPendingChecks();
      for (uint32_t connection = 0; connection < options_.connections; connection++)
        deliveries_.emplace_back(
            [this, index, connection] { options_.on_connection_wanted(index, connection, ""); });
      return;
    case Control::kConnectionLost:
      if (frame.id < options_.connections)
        deliveries_.emplace_back(
            [this, index, id = static_cast<uint32_t>(frame.id), lost = std::string(frame.payload)] {
              options_.on_connection_wanted(index, id, lost);
            });
      return;
    case Control::kClosed: {
      if (frame.id == 0 || frame.id >= host.isolates.size()) break;
      const auto lane = static_cast<uint32_t>(frame.id);
      Isolate& isolate = host.isolates[lane];
      if (isolate.in_flight > 0) {
        // The loop ended under its invocations: the isolate is lost, its host is suspect.
        host.condemned = "lost an isolate: " + std::string(frame.payload);
        return;
      }
      if (isolate.state == LaneState::kReady) RemoveFromPool(index, lane);
      isolate = {};
      return;
    }
    case Control::kOpened:
    case Control::kOpenFailed: {
      const auto found = openings_.find(frame.id);
      if (found == openings_.end()) return;  // given up on meanwhile
      Opening opening = std::move(found->second);
      openings_.erase(found);
      const bool ok = static_cast<Control>(frame.kind) == Control::kOpened;
      if (opening.lane == 0) {
        CheckResult result;
        if (ok) {
          result.description = frame.payload;
        } else {
          result.code = Code::FUNCTION_INVALID;
          result.message = frame.payload;
        }
        deliveries_.emplace_back([done = std::move(opening.done), result = std::move(result)]() mutable {
          done(std::move(result));
        });
        return;
      }
      Isolate& isolate = host.isolates[opening.lane];
      if (isolate.state != LaneState::kOpening) return;
      const auto pool = pools_.find(isolate.pool);
      if (ok) {
        isolate.state = LaneState::kReady;
        isolate.used_ns = NowNs();
        if (pool != pools_.end()) DispatchQueue(pool->second);
        return;
      }
      const std::string reason(frame.payload);
      if (pool != pools_.end()) FailQueue(pool->second, Code::FUNCTION_INVALID, reason, "");
      RemoveFromPool(index, opening.lane);
      isolate = {};
      return;
    }
    default:
      break;
  }
  host.condemned = "sent an unknown control frame";
}

// ---- Hosts
// ----------------------------------------------------------------------------------------------------

void Supervisor::StartHost(uint32_t index, int64_t now) {
  Host& host = *hosts_[index];
  const uint32_t lanes = std::min(options_.isolates_max + 1, kLanesMax);
  host.isolates.assign(lanes, {});
  host.ready = false;
  host.condemned.clear();
  host.started_ns = now;
  const std::string failed = host.process.Start(options_.command, lanes, options_.operation_rings);
  if (!failed.empty()) {
    host.process.Kill();
    OnHostDown(index, failed, now);
    return;
  }
  epoll_event bell = EventOf(Source::kBell, index, EPOLLIN | EPOLLET);
  epoll_event process = EventOf(Source::kProcess, index, EPOLLIN);
  epoll_event output = EventOf(Source::kOutput, index, EPOLLIN | EPOLLET);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process.bell_descriptor(), &bell);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process.pid_descriptor(), &process);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, host.process.output_descriptor(), &output);
}

// Everything that was in the host gets its typed answer; the queue waits for the next host.
void Supervisor::OnHostDown(uint32_t index, const std::string& how, int64_t now) {
  Host& host = *hosts_[index];
  if (host.process.alive())
    host.process.ReadOutput([&](std::string_view line) { LogLater("sandbox-host", std::string(line)); });
  LogLater("supervisor", "the sandbox host (pid " + std::to_string(host.process.pid()) + ") " + how);
  for (auto& [id, flight] : flights_) {
    if (flight->place.lane == 0 || flight->place.host != index) continue;
    dispatched_.fetch_sub(1, std::memory_order_relaxed);
    if (!flight->answered) {
      Outcome outcome;
      outcome.code = Code::SANDBOX_DIED;
      outcome.message = "the sandbox host " + how + " while it ran " + flight->call.image->name +
                        (flight->wrote ? ", which had sent writes" : "");
      Answer(*flight, std::move(outcome));
    }
  }
  std::erase_if(flights_, [&](const auto& entry) {
    return entry.second->place.lane != 0 && entry.second->place.host == index;
  });
  for (auto entry = openings_.begin(); entry != openings_.end();) {
    Opening& opening = entry->second;
    if (!opening.sent || opening.host != index) {
      ++entry;
      continue;
    }
    if (opening.lane == 0) {
      CheckResult result;
      result.code = Code::FUNCTION_INVALID;
      result.message = "the sandbox host " + how + " while it loaded the bundle";
      deliveries_.emplace_back([done = std::move(opening.done), result = std::move(result)]() mutable {
        done(std::move(result));
      });
    } else if (const auto pool = pools_.find(host.isolates[opening.lane].pool); pool != pools_.end()) {
      FailQueue(pool->second, Code::SANDBOX_DIED, "the sandbox host " + how + " while it loaded the function",
                "");
    }
    entry = openings_.erase(entry);
  }
  for (auto& [key, pool] : pools_) {
    if (pool.host == index) pool.lanes.clear();
  }
  std::erase_if(pools_,
                [&](const auto& entry) { return entry.second.lanes.empty() && entry.second.queue.empty(); });
  host.process.Kill();
  host.last_end = how;
  host.restarts++;
  host.isolates.assign(host.isolates.size(), {});
  // One that had come up is replaced at once; one that never did is tried again ever more slowly.
  if (host.ready) {
    host.start_after_ns = now;
  } else {
    const int64_t pause = kRestartPauseNs << std::min<uint32_t>(host.start_failures, 7);
    host.start_after_ns = now + std::min(pause, kRestartPauseMaxNs);
    host.start_failures++;
  }
  host.ready = false;
  kicked_.store(true);
}

void Supervisor::CondemnHost(uint32_t index, std::string reason) {
  const std::lock_guard lock(mutex_);
  if (hosts_[index]->condemned.empty()) hosts_[index]->condemned = std::move(reason);
  kicked_.store(true);
}

void Supervisor::Close(Code code, const std::string& message) {
  std::vector<std::function<void()>> deliveries;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [id, flight] : flights_) {
      if (flight->answered) continue;
      Outcome outcome;
      outcome.code = code;
      outcome.message = message;
      Answer(*flight, std::move(outcome));
    }
    for (auto& [id, opening] : openings_) {
      if (opening.lane != 0) continue;
      CheckResult result;
      result.code = code;
      result.message = message;
      deliveries_.emplace_back([done = std::move(opening.done), result = std::move(result)]() mutable {
        done(std::move(result));
      });
    }
    flights_.clear();
    openings_.clear();
    pools_.clear();
    queued_ = 0;
    dispatched_.store(0);
    for (auto& host : hosts_) host->process.Kill();
    deliveries.swap(deliveries_);
  }
  for (const auto& deliver : deliveries) deliver();
}

bool Supervisor::SendDescriptor(uint32_t index, std::string_view message, int fd) {
  const std::lock_guard lock(mutex_);
  return index < hosts_.size() && hosts_[index]->process.alive() &&
         hosts_[index]->process.SendDescriptor(message, fd);
}

// ---- Time
// -----------------------------------------------------------------------------------------------------

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
                            : name + " did not end before its deadline";
      Answer(flight, std::move(outcome));
    }
    if (flight.place.lane == 0) {
      LeaveQueue(flight);
      flights_.erase(found);
      continue;
    }
    if (due.at_ns < flight.call.deadline_ns + kKillGraceNs) {
      deadlines_.push({flight.call.deadline_ns + kKillGraceNs, due.id});
      continue;
    }
    Host& host = *hosts_[flight.place.host];
    if (host.condemned.empty())
      host.condemned = "did not end an invocation of " + name + " that was past its deadline";
    kicked_.store(true);
  }
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
      hosts_[opening.host]->condemned = "did not answer while it loaded a bundle";
      kicked_.store(true);
      opening.deadline_ns = INT64_MAX;
      continue;
    }
    CheckResult result;
    result.code = Code::SIDE_UNAVAILABLE;
    result.message = "no sandbox host came up to check the bundle";
    deliveries_.emplace_back(
        [done = std::move(opening.done), result = std::move(result)]() mutable { done(std::move(result)); });
    openings_.erase(id);
  }
}

// ---- Small things
// ---------------------------------------------------------------------------------------------

void Supervisor::Answer(InFlight& flight, Outcome&& outcome) {
  flight.answered = true;
  const int64_t now = NowNs();
  outcome.usage.wall_ns = now - flight.submitted_ns;
  outcome.usage.queue_ns = (flight.dispatched_ns != 0 ? flight.dispatched_ns : now) - flight.submitted_ns;
  outcome.usage.lock_ns = flight.lock_ns;
  outcome.logs = std::move(flight.logs);
  if (flight.log_lines_dropped > 0 && flight.call.logs)
    outcome.logs.push_back("… " + std::to_string(flight.log_lines_dropped) + " more lines were dropped");
  deliveries_.emplace_back([done = std::move(flight.call.done), outcome = std::move(outcome)]() mutable {
    done(std::move(outcome));
  });
}

void Supervisor::LogLater(std::string source, std::string text) {
  deliveries_.emplace_back(
      [this, source = std::move(source), text = std::move(text)] { options_.on_log(source, text); });
}

void Supervisor::Kick() {
  if (kicked_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(kick_.get(), &one, sizeof one);
}

bool Supervisor::HasReadyOperations() const {
  return std::any_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
    return host->process.alive() &&
           host->process.header()->operations_ready.load(std::memory_order_relaxed) != 0;
  });
}

bool Supervisor::HasReadyOutcomes() const {
  return kicked_.load(std::memory_order_relaxed) ||
         std::any_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
           return host->process.alive() &&
                  host->process.header()->outcome_ready.load(std::memory_order_relaxed) != 0;
         });
}

InFlight* Supervisor::FindInFlight(uint64_t id, Place place) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(id);
  if (found == flights_.end()) return nullptr;
  InFlight* flight = found->second.get();
  const bool here = flight->place.host == place.host && flight->place.lane == place.lane;
  return here && !flight->answered ? flight : nullptr;
}

std::vector<Supervisor::HostState> Supervisor::host_states() {
  const std::lock_guard lock(mutex_);
  std::vector<HostState> states;
  for (const auto& host : hosts_) {
    HostState state;
    state.pid = host->process.pid();
    state.state = !host->process.alive() ? "gone" : host->ready ? "ready" : "starting";
    for (const Isolate& isolate : host->isolates) {
      if (isolate.state != LaneState::kFree) state.isolates++;
      state.in_flight += isolate.in_flight;
    }
    state.restarts = host->restarts;
    state.last_end = host->last_end;
    states.push_back(state);
  }
  return states;
}

uint32_t Supervisor::in_flight() {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(flights_.size());
}

uint32_t Supervisor::queued() {
  const std::lock_guard lock(mutex_);
  return queued_;
}

}  // namespace locus
