// Which isolate gets an invocation, and which isolates there are.
#include <algorithm>
#include <fstream>

#include "frames.h"
#include "supervisor.h"
#include "supervisor_bounds.h"

namespace locus {

namespace {

/// Memory maps that the kernel allows a process. Read once.
uint32_t MapsMax() {
  static const uint32_t most = [] {
    uint32_t maps = kMapsMaxUsual;
    std::ifstream("/proc/sys/vm/max_map_count") >> maps;
    return std::max(maps, kMapsPerIsolate);
  }();
  return most;
}

}  // namespace

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
    pool.use = uses_.Take(key);
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
  if (isolate.in_flight++ == 0) {
    isolate.cpu_told_until_ns = flight.dispatched_ns;
    CountBusy(pool.host, isolate, true);
  }
  isolate.used_ns = flight.dispatched_ns;
  pool.use.Count(flight.dispatched_ns);
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

void Supervisor::Enqueue(Pool& pool, uint64_t id, bool first) {
  first ? pool.queue.push_front(id) : pool.queue.push_back(id);
  queued_++;
  if (!std::exchange(pool.waits, true)) waiting_.push_back(&pool);
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
  for (const auto& host : hosts_) host->full = false;
  // What is opened for one may close the last isolate of another, and its pool with it.
  for (size_t at = 0; at < waiting_.size(); at++) {
    Pool* const pool = waiting_[at];
    if (pool == nullptr || (pool->lanes.empty() && hosts_[pool->host]->full)) continue;
    DispatchQueue(*pool);
    pool->waits = !pool->queue.empty();
    if (!pool->waits) waiting_[at] = nullptr;
  }
  std::erase(waiting_, nullptr);
}

bool Supervisor::OpenIsolate(Pool& pool, Room room) {
  Host& host = *hosts_[pool.host];
  // Of hundreds that are opened at once none would be open before the deadline for loading.
  if (!host.ready || host.opening >= std::max(kOpeningsMin, 2 * options_.spread)) return false;
  const uint64_t bytes = pool.use.bytes != 0 ? pool.use.bytes : kIsolateBytesUsual;
  if (!MakeRoom(pool.host, bytes, room)) {
    if (room == Room::kAnyones) host.full = true;
    return false;
  }
  const uint32_t lane = host.free_lanes.back();
  if (!host.process->OpenLane(lane)) return false;
  host.free_lanes.pop_back();
  Isolate& isolate = host.isolates[lane];
  isolate = {LaneState::kOpening, &pool, 0, NowNs(), false, pool.image->limits.memory_mb};
  Charge(host, isolate, bytes);
  host.allowed_bytes += AllowedBytes(isolate.memory_mb);
  host.opening++;
  pool.lanes.push_back(lane);
  CountOpen(*pool.image, 1);
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
    const FunctionImage& image = *host.isolates[opening.lane].pool->image;
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

// What closes is not counted any more, so a call does not wait until an isolate has gone, unless there are no more lanes.
// An isolate that is larger than all there is for them may be open alone.
bool Supervisor::MakeRoom(uint32_t index, uint64_t bytes, Room room) {
  Host& host = *hosts_[index];
  if (host.free_lanes.empty()) {
    if (host.closing == 0) CloseOne(index, room);
    return false;
  }
  const uint64_t most = BytesMax(index);
  if (room == Room::kSpare && !SpareSuffices(index, bytes)) return false;
  while (host.charged_bytes > 0 && host.charged_bytes + bytes > most) {
    if (!CloseOne(index, room)) return false;
  }
  return true;
}

/// Whether closing all that is idle and not kept would make room.
bool Supervisor::SpareSuffices(uint32_t index, uint64_t bytes) const {
  const Host& host = *hosts_[index];
  uint64_t left = host.charged_bytes + bytes;
  for (const Isolate& isolate : host.isolates) {
    if (left <= BytesMax(index)) return true;
    if (isolate.state == LaneState::kReady && !isolate.retire && isolate.in_flight == 0 && IsSpare(isolate))
      left -= isolate.charged_bytes;
  }
  return left <= BytesMax(index);
}

/// A host for a function that cost another one needs little.
uint64_t Supervisor::BytesMax(uint32_t index) const {
  return index == 0 ? options_.isolate_bytes_max : options_.isolate_bytes_max / 4;
}

// The idle isolate that is worth least goes, and at first one that nobody keeps. Where all are busy the one with
// the least to do takes no more calls and goes when it is done, so that no function waits for ever.
bool Supervisor::CloseOne(uint32_t index, Room room, uint32_t kept_lane) {
  if (room == Room::kNobodys) return false;
  Host& host = *hosts_[index];
  const int64_t now = NowNs();
  uint32_t spare = 0;
  uint32_t kept = 0;
  uint32_t lightest = 0;
  double spare_worth = 0;
  double kept_worth = 0;
  for (uint32_t lane = 1; lane < host.isolates.size(); lane++) {
    const Isolate& isolate = host.isolates[lane];
    if (isolate.state != LaneState::kReady || isolate.retire || lane == kept_lane) continue;
    if (lightest == 0 || isolate.in_flight < host.isolates[lightest].in_flight) lightest = lane;
    if (isolate.in_flight > 0) continue;
    const double worth = WorthOf(isolate, now);
    const bool is_spare = IsSpare(isolate);
    uint32_t& least = is_spare ? spare : kept;
    double& least_worth = is_spare ? spare_worth : kept_worth;
    if (least != 0 && worth >= least_worth) continue;
    least = lane;
    least_worth = worth;
  }
  if (spare != 0) {
    CloseLane(index, spare);
    return true;
  }
  if (room == Room::kSpare || lightest == 0 || (kept == 0 && host.closing > 0)) return false;
  NoteTaken(host.isolates[kept != 0 ? kept : lightest]);
  if (kept != 0) {
    CloseLane(index, kept);
    return true;
  }
  Retire(host, host.isolates[lightest]);
  keep_due_ = true;
  return false;
}

// How soon its function is expected, times what it takes to open another, for each byte that it holds: as caches
// value things of different size and cost (GreedyDual-Size with frequency; FaasCache, ASPLOS 2021).
double Supervisor::WorthOf(const Isolate& isolate, int64_t now) const {
  const Pool& pool = *isolate.pool;
  const double calls = pool.use.CallsAt(now) / static_cast<double>(pool.lanes.size());
  return calls * static_cast<double>(pool.use.opening_ns) / static_cast<double>(isolate.charged_bytes);
}

void Supervisor::Charge(Host& host, Isolate& isolate, uint64_t bytes) {
  host.charged_bytes += bytes - isolate.charged_bytes;
  isolate.charged_bytes = bytes;
}

void Supervisor::Retire(Host& host, Isolate& isolate) {
  if (!std::exchange(isolate.retire, true)) host.closing++;
}

void Supervisor::CloseLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  Isolate& isolate = host.isolates[lane];
  if (!isolate.retire) host.closing++;
  Charge(host, isolate, 0);
  if (isolate.in_flight == 0) CountBusy(index, isolate, true);
  RemoveFromPool(index, lane);
  isolate.state = LaneState::kClosing;
  HostLane& ring = host.process->lane(lane);
  ring.to_isolate.Write(static_cast<uint16_t>(ToIsolate::kClose), 0, {});
  ring.Ring();
}

/// Of an isolate that has gone.
void Supervisor::FreeLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  Isolate& isolate = host.isolates[lane];
  if (isolate.state == LaneState::kOpening) host.opening--;
  if (isolate.retire || isolate.state == LaneState::kClosing) host.closing--;
  if (isolate.in_flight > 0 || isolate.state == LaneState::kClosing) CountBusy(index, isolate, false);
  Charge(host, isolate, 0);
  host.allowed_bytes -= AllowedBytes(isolate.memory_mb);
  isolate = {};
  host.process->CloseLane(lane);
  host.free_lanes.push_back(lane);
  FollowMemoryLimit(index);
}

void Supervisor::RemoveFromPool(uint32_t index, uint32_t lane) {
  Pool* const pool = std::exchange(hosts_[index]->isolates[lane].pool, nullptr);
  if (pool == nullptr) return;
  std::erase(pool->lanes, lane);
  CountOpen(*pool->image, -1);
  keep_due_ = true;
  DropIfEmpty(*pool);
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
  if (pool.waits) std::ranges::replace(waiting_, &pool, nullptr);
  if (pool.use.calls > 0) uses_.Remember(pool.key, pool.use);
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

// What the host may have resident: its own needs, the read cache, and its isolates. Those that have calls, or close, may
// hold up to their limits. The others hold what there is memory for, and what they held before may not have gone yet.
void Supervisor::FollowMemoryLimit(uint32_t index) {
  const Host& host = *hosts_[index];
  const uint64_t most = 2 * BytesMax(index) + host.busy_bytes;
  const uint64_t checks = ChecksUnderWay(index) * AllowedBytes(kCheckMemoryMb);
  memory_watch_.SetLimit(index, kHostBytesBase + (index == 0 ? options_.read_cache_bytes : 0) +
                                    std::min(host.allowed_bytes, most) + checks);
}

// What the isolate tells stands in shared memory: more than it may have is not believed.
uint64_t Supervisor::MemoryOf(Place place, int64_t now) {
  Host& host = *hosts_[place.host];
  Isolate& isolate = host.isolates[place.lane];
  const uint64_t told =
      host.process->lane(place.lane).rings.words->memory_bytes.load(std::memory_order_relaxed);
  const uint64_t bytes = std::min(told, AllowedBytes(isolate.memory_mb));
  isolate.memory_seen_ns = now;
  isolate.memory_bytes.Note(bytes, now);
  if (bytes > 0 && isolate.pool != nullptr && isolate.state == LaneState::kReady) {
    isolate.pool->use.bytes = bytes + kIsolateBytesFixed;
    Charge(host, isolate, isolate.pool->use.bytes);
  }
  return isolate.memory_bytes.At(now);
}

// Isolates grow while they run: then other idle ones make room.
void Supervisor::ShrinkToBudget(Place answered) {
  const Host& host = *hosts_[answered.host];
  while (host.charged_bytes > BytesMax(answered.host) && CloseOne(answered.host, Room::kSpare, answered.lane)) {
  }
}

void Supervisor::CountBusy(uint32_t index, const Isolate& isolate, bool busy) {
  Host& host = *hosts_[index];
  const uint64_t bytes = AllowedBytes(isolate.memory_mb);
  busy ? host.busy_bytes += bytes : host.busy_bytes -= bytes;
  FollowMemoryLimit(index);
}

uint32_t Supervisor::LanesMax() const {
  if (options_.isolates_max != 0) return std::min(options_.isolates_max, kLanesMax - 1);
  const uint64_t lanes = options_.isolate_bytes_max / kIsolateBytesLeast + kClosingMax;
  return static_cast<uint32_t>(std::clamp<uint64_t>(lanes, 1, std::min(kLanesMax - 1, MapsMax() / kMapsPerIsolate)));
}

}  // namespace locus
