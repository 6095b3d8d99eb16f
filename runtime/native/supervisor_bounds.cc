// Isolates that are kept whatever calls ask for: opened ahead of calls, opened again when they are lost, and
// never more than there may be. And limits, which functions have for a while.
#include "supervisor_bounds.h"

#include <algorithm>

#include "supervisor.h"

namespace locus {

void Supervisor::Keep(const std::shared_ptr<const FunctionImage>& image, IsolateBounds bounds,
                      std::function<void(KeepResult&&)> done) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    Wish wish = {bounds.min, NowNs() + kKeepPatienceNs, std::move(done)};
    const std::string key = image->key();
    if (const std::string why = RefuseBounds(key, bounds); !why.empty()) {
      AnswerWish(wish, {Code::OVERLOADED, why});
    } else {
      Pool& pool = PoolOf(image);
      const IsolateBounds before = std::exchange(pool.bounds, bounds);
      pool.failures = 0;
      pool.open_after_ns = 0;
      pool.wishes.push_back(std::move(wish));
      GrantWishes(pool);
      // None was granted: it is the last. Its bounds hold, or whoever lets go of isolates would keep them.
      if (pool.wishes.size() > kWishesMax) {
        AnswerWish(
            pool.wishes.back(),
            {Code::OVERLOADED, std::to_string(kWishesMax) + " wait already for isolates of " + image->name});
        pool.wishes.pop_back();
      }
      CloseSurplus(key, before);
      keep_due_ = true;
    }
  }
  Kick();
}

// The bounds of one version, and how many there are in all.
std::string Supervisor::RefuseBounds(const std::string& key, const IsolateBounds& bounds) const {
  const uint32_t lanes = LanesMax();
  if (bounds.min > lanes)
    return std::to_string(bounds.min) + " isolates were to be kept, and a sandbox host has room for " +
           std::to_string(lanes);
  const auto pool = pools_.find(key);
  if (!bounds.any() || (pool != pools_.end() && pool->second.bounds.any())) return "";
  const auto bound = std::count_if(pools_.begin(), pools_.end(),
                                   [](const auto& entry) { return entry.second.bounds.any(); });
  if (static_cast<size_t>(bound) < kBoundFunctionsMax) return "";
  return "there are bounds for " + std::to_string(kBoundFunctionsMax) + " functions already";
}

// Those that take calls, or will.
uint32_t Supervisor::UsableIn(const Pool& pool) const {
  const std::vector<Isolate>& isolates = hosts_[pool.host]->isolates;
  return static_cast<uint32_t>(
      std::ranges::count_if(pool.lanes, [&](uint32_t lane) { return !isolates[lane].retire; }));
}

uint32_t Supervisor::ReadyIn(const Pool& pool) const {
  const std::vector<Isolate>& isolates = hosts_[pool.host]->isolates;
  return static_cast<uint32_t>(std::ranges::count_if(pool.lanes, [&](uint32_t lane) {
    return !isolates[lane].retire && isolates[lane].state == LaneState::kReady;
  }));
}

// Where all that there are take no more calls, one more is opened beside them: calls need not wait for those
// that finish up. More than the cores are worth nothing to calls, whatever they are allowed.
bool Supervisor::MayOpen(const Pool& pool, uint32_t usable) const {
  const auto [min, max] = pool.bounds;
  if (max != 0) return usable == 0 || pool.lanes.size() < std::max(min, std::min(max, options_.spread));
  if (usable >= std::max(min, options_.spread)) return false;
  const std::optional<uint32_t> limit = LimitOf(*pool.image);
  // A version has its first in any case: one of another closes for it, once that has no calls.
  return !limit || usable == 0 || (usable < *limit && OpenOf(pool.image->name) < *limit);
}

std::optional<uint32_t> Supervisor::LimitOf(const FunctionImage& image) const {
  if (image.tried) return std::nullopt;
  const auto found = limits_.find(image.name);
  return found == limits_.end() ? std::nullopt : std::optional(found->second);
}

uint32_t Supervisor::OpenOf(const std::string& name) const {
  const auto found = open_by_name_.find(name);
  return found == open_by_name_.end() ? 0 : found->second;
}

void Supervisor::CountOpen(const FunctionImage& image, int64_t more) {
  if (image.tried || more == 0) return;
  uint32_t& open = open_by_name_[image.name];
  open = static_cast<uint32_t>(open + more);
  if (open == 0) open_by_name_.erase(image.name);
}

void Supervisor::Limit(std::unordered_map<std::string, uint32_t> isolates, int64_t until_ns) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || (limits_.empty() && isolates.empty())) return;
    limits_ = std::move(isolates);
    limits_until_ns_ = limits_.empty() ? INT64_MAX : until_ns;
    CloseBeyondLimits();
  }
  // More may be opened for calls that wait, and the owner may sleep for too long.
  Kick();
}

void Supervisor::EndLimits(int64_t now) {
  if (now < limits_until_ns_) return;
  limits_.clear();
  limits_until_ns_ = INT64_MAX;
}

void Supervisor::CloseBeyondLimits() {
  limits_at_ns_ = INT64_MAX;
  if (limits_.empty()) return;
  for (const auto& [name, load] : CountLoads()) {
    if (limits_.contains(name) && load.isolates > load.isolates_max) CloseBeyond(name, load.isolates_max);
  }
}

// The least recently used of any version first. The only one of a version stays while calls of that version
// wait or come: two that are called in turn would close each other's at each call.
void Supervisor::CloseBeyond(const std::string& name, uint32_t most) {
  std::vector<Place> open;
  for (const auto& [key, pool] : pools_) {
    if (pool.image->tried || pool.image->name != name) continue;
    for (const uint32_t lane : pool.lanes) {
      if (!hosts_[pool.host]->isolates[lane].retire) open.push_back({pool.host, lane});
    }
  }
  std::ranges::sort(open, {}, [&](Place place) {
    const Isolate& isolate = hosts_[place.host]->isolates[place.lane];
    return std::pair(isolate.in_flight, isolate.used_ns);
  });
  const int64_t now = NowNs();
  size_t usable = open.size();
  for (const Place place : open) {
    if (usable <= most) return;
    Isolate& isolate = hosts_[place.host]->isolates[place.lane];
    const Pool& pool = *isolate.pool;
    const bool idle = isolate.state == LaneState::kReady && isolate.in_flight == 0;
    const bool wanted = !idle || !pool.queue.empty();
    const int64_t until = (wanted ? now : isolate.used_ns) + kVersionPauseNs;
    if (UsableIn(pool) == 1 && now < until) {
      limits_at_ns_ = std::min(limits_at_ns_, until);
      continue;
    }
    usable--;
    if (idle) {
      CloseLane(place.host, place.lane);  // the last of a version may take its pool with it
    } else {
      Retire(*hosts_[place.host], isolate);
    }
  }
}

Supervisor::Loads Supervisor::loads() {
  const std::lock_guard lock(mutex_);
  return CountLoads();
}

Supervisor::Loads Supervisor::CountLoads() const {
  Loads loads;
  for (const auto& [name, limit] : limits_) loads[name];
  for (const auto& [key, pool] : pools_) {
    if (pool.image->tried || (pool.lanes.empty() && pool.queue.empty())) continue;
    Load& load = loads[pool.image->name];
    load.isolates += static_cast<uint32_t>(pool.lanes.size());
    load.waiting += static_cast<uint32_t>(pool.queue.size());
    for (const uint32_t lane : pool.lanes) {
      const uint32_t in_flight = hosts_[pool.host]->isolates[lane].in_flight;
      if (in_flight == 0) continue;
      load.busy++;
      load.waiting += in_flight - 1;
    }
  }
  const uint32_t most = std::min(options_.spread, LanesMax());
  for (auto& [name, load] : loads) {
    const auto limit = limits_.find(name);
    load.isolates_max = limit == limits_.end() ? most : std::min(most, limit->second);
  }
  return loads;
}

bool Supervisor::IsSpare(const Isolate& isolate) const {
  return isolate.pool->bounds.min == 0 || UsableIn(*isolate.pool) > isolate.pool->bounds.min;
}

// It made room for another function. Were it opened again at once, two functions could take turns in a lane.
void Supervisor::NoteTaken(const Isolate& isolate) {
  if (isolate.pool->bounds.min > 0)
    isolate.pool->open_after_ns = NowNs() + kReopenPauseNs;
}

void Supervisor::KeepIsolates(int64_t now) {
  if (now >= limits_at_ns_) CloseBeyondLimits();
  if (!std::exchange(keep_due_, false) && now < keep_at_ns_) return;
  keep_at_ns_ = INT64_MAX;
  for (auto& [key, pool] : pools_) {
    if (!pool.bounds.any()) continue;
    GrantWishes(pool);
    OpenMissing(pool, now);
    ExpireWishes(pool, now);
  }
  for (const auto& host : hosts_) OpenLost(*host);
}

// No call waits for these, so calls come in between.
void Supervisor::OpenLost(Host& host) {
  while (host.ready && !host.lost.empty() && host.opening < kKeptOpeningsMax) {
    Pool& pool = PoolOf(host.lost.back());
    host.lost.pop_back();
    if (pool.lanes.empty()) OpenIsolate(pool, Room::kNobodys);
    DropIfEmpty(pool);
  }
}

void Supervisor::OpenMissing(Pool& pool, int64_t now) {
  Host& host = *hosts_[pool.host];
  if (!host.ready) return;
  for (;;) {
    const uint32_t usable = UsableIn(pool);
    if (usable >= pool.bounds.min || !MayOpen(pool, usable)) return;
    if (now < pool.open_after_ns) {
      keep_at_ns_ = std::min(keep_at_ns_, pool.open_after_ns);
      return;
    }
    const bool first = pool.lanes.empty();
    if (!first && host.opening >= kKeptOpeningsMax) return;
    // Who waits for the first of a function is served like a call.
    if (OpenIsolate(pool, first && !pool.wishes.empty() ? Room::kAnyones : Room::kSpare)) continue;
    // Nobody tells when one that is busy now has become spare.
    keep_at_ns_ = std::min(keep_at_ns_, now + kReopenPauseNs);
    if (!first && host.closing == 0)
      FailWishes(pool, usable, Code::OVERLOADED,
                 std::to_string(pool.bounds.min) + " isolates of " + pool.image->name + " are wanted, and " +
                     std::to_string(usable) + " have room in the sandbox host");
    return;
  }
}

// Idle ones go at once, the least recently used first. Those that are busy take no more calls where there are
// too many of them, and go when they are done.
void Supervisor::CloseSurplus(const std::string& key, IsolateBounds before) {
  const auto found = pools_.find(key);
  if (found == pools_.end()) return;
  Pool& pool = found->second;
  std::vector<Isolate>& isolates = hosts_[pool.host]->isolates;
  const uint32_t index = pool.host;
  const auto [min, max] = pool.bounds;
  const uint32_t busy_max = max == 0 ? UINT32_MAX : std::max(min, max);
  // Without bounds, idle ones stay until their memory is needed.
  const uint32_t idle_max = min < before.min && pool.bounds.any() ? min : busy_max;
  uint32_t usable = UsableIn(pool);
  std::vector<uint32_t> lanes = pool.lanes;
  std::ranges::sort(
      lanes, {}, [&](uint32_t lane) { return std::pair(isolates[lane].in_flight, isolates[lane].used_ns); });
  for (const uint32_t lane : lanes) {
    Isolate& isolate = isolates[lane];
    if (isolate.retire || usable <= idle_max) continue;
    if (isolate.state == LaneState::kReady && isolate.in_flight == 0) {
      usable--;
      CloseLane(index, lane);  // the last of them may take the pool with it
    } else if (usable > busy_max) {
      usable--;
      Retire(*hosts_[index], isolate);
    }
  }
  if (const auto pool_left = pools_.find(key); pool_left != pools_.end()) DropIfEmpty(pool_left->second);
}

void Supervisor::GrantWishes(Pool& pool) {
  if (pool.wishes.empty()) return;
  const uint32_t ready = ReadyIn(pool);
  std::erase_if(pool.wishes, [&](Wish& wish) {
    if (ready < std::min(wish.min, pool.bounds.min)) return false;
    AnswerWish(wish, {});
    return true;
  });
}

void Supervisor::FailWishes(Pool& pool, uint32_t min, Code code, const std::string& message) {
  std::erase_if(pool.wishes, [&](Wish& wish) {
    if (wish.min <= min) return false;
    AnswerWish(wish, {code, message});
    return true;
  });
}

void Supervisor::ExpireWishes(Pool& pool, int64_t now) {
  std::erase_if(pool.wishes, [&](Wish& wish) {
    if (now < wish.deadline_ns) {
      keep_at_ns_ = std::min(keep_at_ns_, wish.deadline_ns);
      return false;
    }
    const bool up = hosts_[pool.host]->ready;
    AnswerWish(wish, {up ? Code::OVERLOADED : Code::SIDE_UNAVAILABLE,
                      up ? std::to_string(wish.min) + " isolates of " + pool.image->name +
                               " did not open within " + std::to_string(kKeepPatienceNs / (1000 * kMs)) + " s"
                         : "no sandbox host came up to open isolates of " + pool.image->name});
    return true;
  });
}

void Supervisor::AnswerWish(Wish& wish, KeepResult&& result) {
  deliveries_.emplace_back(
      [done = std::move(wish.done), result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace locus
