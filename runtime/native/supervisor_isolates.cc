// Which isolate gets an invocation, and which isolates there are.
#include <algorithm>

#include "frames.h"
#include "supervisor.h"
#include "supervisor_bounds.h"

namespace locus {

std::string FunctionImage::key() const {
  std::string key = name + "@" + version;
  if (!tried) return key;
  for (const uint32_t limit :
       {limits.deadline_ms, limits.cpu_ms, limits.memory_mb, limits.operations, limits.concurrency})
    key += "/" + std::to_string(limit);
  return key;
}

Supervisor::Pool& Supervisor::PoolOf(const std::shared_ptr<const FunctionImage>& image) {
  const std::string key = image->key();
  Pool& pool = pools_[key];
  if (!pool.image) {
    pool.key = key;
    pool.image = image;
    pool.host = HostOf(key);
  }
  return pool;
}

uint32_t Supervisor::HostOf(const std::string& key) const {
  const auto quarantine = quarantined_.find(key);
  return quarantine == quarantined_.end() ? 0 : quarantine->second.host;
}

// An idle isolate is best. Where all are busy, one more is worth starting up to the spread; meanwhile the
// least loaded takes the call as long as its concurrency allows.
bool Supervisor::TryDispatch(Pool& pool, InFlight& flight) {
  Host& host = *hosts_[pool.host];
  uint32_t best = 0;
  uint32_t usable = 0;
  bool opening = false;
  for (const uint32_t lane : pool.lanes) {
    const Isolate& isolate = host.isolates[lane];
    if (isolate.state == LaneState::kOpening) opening = true;
    if (isolate.retire) continue;
    usable++;
    if (isolate.state != LaneState::kReady) continue;
    if (best == 0 || isolate.in_flight < host.isolates[best].in_flight ||
        (isolate.in_flight == host.isolates[best].in_flight && isolate.used_ns > host.isolates[best].used_ns))
      best = lane;
  }
  const bool idle = best != 0 && host.isolates[best].in_flight == 0;
  // A pool that has an isolate already waits for it rather than taking another function's.
  if (!idle && !opening && MayOpen(pool, usable) &&
      OpenIsolate(pool, pool.lanes.empty() ? Room::kAnyones : Room::kNobodys)) {
    if (const std::optional<uint32_t> limit = LimitOf(*pool.image)) CloseBeyond(pool.image->name, *limit);
  }
  if (best == 0 || host.isolates[best].in_flight >= pool.image->limits.concurrency) return false;
  Dispatch(pool, best, flight);
  return true;
}

void Supervisor::Dispatch(Pool& pool, uint32_t lane, InFlight& flight) {
  Host& host = *hosts_[pool.host];
  HostLane& ring = host.process->lane(lane);
  const Call& call = flight.call;
  InvokeFrame invoke = {};
  invoke.header.deadline_ns = call.deadline_ns;
  invoke.header.cpu_limit_ns = int64_t{pool.image->limits.cpu_ms} * kMs;
  invoke.header.operations_max = pool.image->limits.operations;
  invoke.header.back_cpu_ns = call.back_cpu_ns;
  invoke.header.asks_to_write = call.asks_to_write ? 1 : 0;
  invoke.header.reader = call.reader;
  invoke.keys.assign(call.keys.begin(), call.keys.end());
  invoke.args = call.args;
  invoke.known = call.known;

  flight.place = {pool.host, lane};
  flight.dispatched_ns = NowNs();
  flight.starts++;
  flight.asked = false;
  Isolate& isolate = host.isolates[lane];
  if (isolate.in_flight++ == 0) isolate.cpu_told_until_ns = flight.dispatched_ns;
  isolate.used_ns = flight.dispatched_ns;
  if (isolate.opened_ns > flight.submitted_ns)
    flight.start_ns = isolate.opened_ns - std::max(isolate.opening_ns, flight.submitted_ns);
  dispatched_.fetch_add(1, std::memory_order_relaxed);
  memory_watch_.SetBusy(true);
  ring.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kInvoke), flight.id, WriteInvoke(std::move(invoke)));
  if (isolate.bell_due) return;
  isolate.bell_due = true;
  bells_due_.push_back(flight.place);
}

void Supervisor::RingDueBells() {
  for (const Place place : bells_due_) {
    Host& host = *hosts_[place.host];
    if (!host.process->alive()) continue;
    host.isolates[place.lane].bell_due = false;
    host.process->lane(place.lane).Ring();
  }
  bells_due_.clear();
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

uint32_t Supervisor::FreeLane(Host& host) {
  for (uint32_t lane = 1; lane < host.isolates.size(); lane++) {
    if (host.isolates[lane].state == LaneState::kFree) return lane;
  }
  return 0;
}

bool Supervisor::OpenIsolate(Pool& pool, Room room) {
  Host& host = *hosts_[pool.host];
  if (!host.ready) return false;
  const uint32_t lane = FreeLane(host);
  if (lane == 0) {
    MakeRoom(pool.host, room);
    return false;
  }
  if (!host.process->OpenLane(lane)) return false;
  host.isolates[lane] = {LaneState::kOpening, pool.key, 0, NowNs(), false, pool.image->limits.memory_mb};
  pool.lanes.push_back(lane);
  FollowMemoryLimit(pool.host);
  Opening opening;
  opening.host = pool.host;
  opening.lane = lane;
  const uint64_t id = ++next_id_;
  SendOpen(id, openings_.emplace(id, std::move(opening)).first->second);
  return true;
}

void Supervisor::SendOpen(uint64_t id, Opening& opening) {
  Host& host = *hosts_[opening.host];
  OpenFrame open = {opening.lane, 0, {}, opening.bundle};
  if (opening.lane != 0) {
    const FunctionImage& image = *pools_[host.isolates[opening.lane].pool].image;
    open.memory_mb = image.limits.memory_mb;
    // What is only tried may say that it is any version.
    if (!image.tried) open.version = image.version;
    open.bundle = image.bundle;
  }
  HostLane& control = host.process->lane(kControlLane);
  control.to_isolate.Write(static_cast<uint16_t>(Control::kOpen), id,
                           WriteOpen(open));
  control.Ring();
  opening.sent = true;
  opening.deadline_ns = NowNs() + kOpenDeadlineNs;
}

void Supervisor::SendPendingChecks() {
  if (!hosts_[0]->ready) return;
  for (auto& [id, opening] : openings_) {
    if (opening.sent) continue;
    if (ChecksUnderWay(0) >= kChecksMax) return;
    SendOpen(id, opening);
    FollowMemoryLimit(0);
  }
}

uint32_t Supervisor::ChecksUnderWay(uint32_t host) const {
  return static_cast<uint32_t>(std::count_if(openings_.begin(), openings_.end(), [&](const auto& entry) {
    return entry.second.lane == 0 && entry.second.sent && entry.second.host == host;
  }));
}

// The least recently used idle isolate makes room; its lane is free once the host says so. Where all are busy
// the one with the least to do takes no more and goes when it is done, so that no function waits for ever.
void Supervisor::MakeRoom(uint32_t index, Room room) {
  if (room == Room::kNobodys) return;
  Host& host = *hosts_[index];
  uint32_t spare = 0;
  uint32_t kept = 0;
  uint32_t lightest = 0;
  for (uint32_t lane = 1; lane < host.isolates.size(); lane++) {
    const Isolate& isolate = host.isolates[lane];
    if (isolate.state == LaneState::kClosing || isolate.retire) return;  // room is on its way
    if (isolate.state != LaneState::kReady) continue;
    if (lightest == 0 || isolate.in_flight < host.isolates[lightest].in_flight) lightest = lane;
    if (isolate.in_flight > 0) continue;
    uint32_t& oldest = IsSpare(isolate) ? spare : kept;
    if (oldest == 0 || isolate.used_ns < host.isolates[oldest].used_ns) oldest = lane;
  }
  if (spare != 0) return CloseLane(index, spare);
  if (room == Room::kSpare || lightest == 0) return;
  NoteTaken(host.isolates[kept != 0 ? kept : lightest]);
  if (kept != 0) return CloseLane(index, kept);
  host.isolates[lightest].retire = true;
  keep_due_ = true;
}

void Supervisor::CloseLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  RemoveFromPool(index, lane);
  host.isolates[lane].state = LaneState::kClosing;
  HostLane& ring = host.process->lane(lane);
  ring.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kClose), 0, {});
  ring.Ring();
}

void Supervisor::RemoveFromPool(uint32_t index, uint32_t lane) {
  const auto pool = pools_.find(hosts_[index]->isolates[lane].pool);
  if (pool == pools_.end()) return;
  std::erase(pool->second.lanes, lane);
  keep_due_ = true;
  DropIfEmpty(pool->second);
}

void Supervisor::LeaveQueue(const InFlight& flight) {
  queued_--;
  const auto pool = pools_.find(flight.call.image->key());
  if (pool == pools_.end()) return;
  std::erase(pool->second.queue, flight.id);
  DropIfEmpty(pool->second);
}

void Supervisor::DropIfEmpty(Pool& pool) {
  if (!pool.empty()) {
    if (pool.lanes.empty()) pool.host = HostOf(pool.key);
    return;
  }
  const std::string key = pool.key;
  pools_.erase(key);
}

void Supervisor::FailQueue(Pool& pool, Code code, const std::string& message) {
  for (const uint64_t id : pool.queue) {
    const auto found = flights_.find(id);
    if (found == flights_.end()) continue;
    Outcome outcome;
    outcome.code = code;
    outcome.message = message;
    Answer(*found->second, std::move(outcome));
    Forget(id);
    queued_--;
  }
  pool.queue.clear();
}

// What the host may have resident: its own needs, the read cache, and the limits of the isolates that are open in it.
void Supervisor::FollowMemoryLimit(uint32_t index) {
  uint64_t limit = kHostBytesBase + (index == 0 ? options_.read_cache_bytes : 0);
  for (const Isolate& isolate : hosts_[index]->isolates) {
    if (isolate.state != LaneState::kFree) limit += (uint64_t{isolate.memory_mb} << 20) + kIsolateBytesExtra;
  }
  limit += ChecksUnderWay(index) * ((uint64_t{kCheckMemoryMb} << 20) + kIsolateBytesExtra);
  memory_watch_.SetLimit(index, limit);
}

// What the isolate tells stands in shared memory: more than it may have is not believed.
uint64_t Supervisor::MemoryOf(Place place, int64_t now) {
  Host& host = *hosts_[place.host];
  Isolate& isolate = host.isolates[place.lane];
  const uint64_t most = (uint64_t{isolate.memory_mb} << 20) + kIsolateBytesExtra;
  const uint64_t told =
      host.process->lane(place.lane).rings.words->memory_bytes.load(std::memory_order_relaxed);
  isolate.memory_seen_ns = now;
  isolate.memory_bytes.Note(std::min(told, most), now);
  return isolate.memory_bytes.At(now);
}

}  // namespace locus
