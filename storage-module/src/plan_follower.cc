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

PlannedSide PlanFollower::SideFor(std::string_view function, const SidesInFlight& sides) {
  const auto found = plan_.placements.find(function);
  if (found == plan_.placements.end()) return {};
  auto spread = spreads_.find(function);
  if (spread == spreads_.end()) spread = spreads_.emplace(function, Spread{}).first;
  return spread->second.Next(found->second, sides);
}

void PlanFollower::Ended(std::string_view function, double cpu_us) {
  const auto spread = spreads_.find(function);
  if (spread != spreads_.end()) spread->second.budget.Ended(cpu_us);
}

void PlanFollower::PushedBack(std::string_view function, double cpu_us) {
  const auto spread = spreads_.find(function);
  if (spread != spreads_.end()) spread->second.budget.PushedBack(cpu_us);
}

PlannedSide PlanFollower::Spread::Next(const Placement& placement, const SidesInFlight& sides) {
  PlannedSide planned = {.overflows = placement.overflow_min > 0,
                         .back_cpu_us = placement.back_cpu_us,
                         .spent = budget.IsSpent()};
  calls++;
  if (placement.probe_every > 0 && calls % placement.probe_every == 0) {
    planned.side = placement.share > 0 ? Side::kCompute : Side::kStorage;
    return planned;
  }
  planned.side = ByShare(placement.share, sides);
  const bool here = planned.side == Side::kStorage;
  if (!planned.overflows || here != (placement.share >= 0.5)) return planned;
  const SideInFlight& own = here ? sides.storage : sides.compute;
  const SideInFlight& other = here ? sides.compute : sides.storage;
  planned.overflowed =
      own.overflowing >= placement.overflow_min + placement.overflow_times * other.in_flight;
  if (planned.overflowed) planned.side = here ? Side::kCompute : Side::kStorage;
  return planned;
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
