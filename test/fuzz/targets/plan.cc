// A plan as whoever controls placement sends it: what is taken can be shown and read again, and says no more
// than a plan may.
#include "plan.h"

#include "function_description.h"
#include "plan_follower.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Plan plan;
  const Failure failure = ReadPlan({reinterpret_cast<const char*>(data), size}, &plan);
  EXPECT(failure.message.size() < 1024);
  EXPECT(!failure || (plan.version == 0 && plan.placements.empty()));
  if (failure) return 0;
  EXPECT(plan.version >= 1 && plan.version <= kPlanVersionMax && plan.placements.size() <= kPlanFunctionsMax);
  for (const auto& [function, placement] : plan.placements) {
    EXPECT(IsFunctionName(function) && placement.share >= 0 && placement.share <= 1);
  }
  const std::string shown = plan.Json();
  Plan again;
  EXPECT(!ReadPlan(shown, &again) && again.Json() == shown);
  PlanFollower follower;
  EXPECT(follower.Follow(plan) && !follower.Follow(again));
  for (const auto& [function, placement] : plan.placements) {
    const bool whole = placement.probe_every == 0 && (placement.share == 0 || placement.share == 1);
    EXPECT(!whole || (follower.SideFor(function, {}).side == Side::kStorage) == (placement.share == 1));
  }
  return 0;
}
