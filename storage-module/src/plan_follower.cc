#include "plan_follower.h"

#include <algorithm>
#include <utility>

namespace locus {

namespace {

/// Shares are sums of fractions: an error of rounding sends no call elsewhere.
constexpr double kEpsilon = 1e-9;

}  // namespace

bool PlanFollower::Follow(Plan plan) {
  if (!IsLaterPlan(plan.version, plan_.version)) return false;
  std::erase_if(spreads_, [&](const auto& spread) { return !plan.placements.contains(spread.first); });
  plan_ = std::move(plan);
  return true;
}

const Placement* PlanFollower::Find(std::string_view function) const {
  const auto found = plan_.placements.find(function);
  return found == plan_.placements.end() ? nullptr : &found->second;
}

int64_t PlanFollower::BackCpuUs(std::string_view function) const {
  const Placement* const placement = Find(function);
  return placement == nullptr ? 0 : placement->back_cpu_us;
}

bool PlanFollower::Overflows(std::string_view function) const {
  const Placement* const placement = Find(function);
  return placement != nullptr && placement->overflow_min > 0;
}

Side PlanFollower::SideFor(std::string_view function, const SidesInFlight& sides, bool* overflowed) {
  if (overflowed != nullptr) *overflowed = false;
  const Placement* const placement = Find(function);
  if (placement == nullptr) return Side::kStorage;
  auto spread = spreads_.find(function);
  if (spread == spreads_.end()) spread = spreads_.emplace(function, Spread{}).first;
  return spread->second.Next(*placement, sides, overflowed);
}

Side PlanFollower::Spread::Next(const Placement& placement, const SidesInFlight& sides, bool* overflowed) {
  calls++;
  if (placement.probe_every > 0 && calls % placement.probe_every == 0)
    return placement.share > 0 ? Side::kCompute : Side::kStorage;
  const Side side = ByShare(placement.share, sides);
  const bool here = side == Side::kStorage;
  if (placement.overflow_min == 0 || here != (placement.share >= 0.5)) return side;
  const SideInFlight& own = here ? sides.storage : sides.compute;
  const SideInFlight& other = here ? sides.compute : sides.storage;
  if (own.overflowing < placement.overflow_min + placement.overflow_times * other.in_flight) return side;
  if (overflowed != nullptr) *overflowed = true;
  return here ? Side::kCompute : Side::kStorage;
}

Side PlanFollower::Spread::ByShare(double share, const SidesInFlight& sides) {
  if (share <= 0 || share >= 1) {
    // What is not split owes nothing of before.
    owed = 0;
    return share > 0 ? Side::kStorage : Side::kCompute;
  }
  owed = std::clamp(owed, -kSlack, kSlack) + share;
  bool here = owed >= 1 - kEpsilon;
  const bool compute_is_idle = sides.compute.in_flight == 0;
  const bool storage_is_idle = sides.storage.in_flight == 0;
  if (compute_is_idle != storage_is_idle) {
    if (compute_is_idle && owed < kSlack) here = false;
    if (storage_is_idle && owed > 1 - kSlack) here = true;
  }
  if (here) owed -= 1;
  return here ? Side::kStorage : Side::kCompute;
}

}  // namespace locus
