// Follows the plan, call by call: of each function's calls the planned share runs here, spread as evenly as
// can be, and now and then one visits the other side. A call of a function that is split does not wait for
// its turn at a side that is busy while the other stands idle. The twin of
// compute/placement/plan-follower.ts: test/storage-module/plan-follower.test.ts holds the two together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "plan.h"

namespace locus {

enum class Side { kCompute, kStorage };

/// How many calls each side has now, as far as this server knows: those that nodes have of it, and all that
/// are in its hosts.
struct SidesInFlight {
  size_t compute = 0;
  size_t storage = 0;
};

class PlanFollower {
 public:
  /// So many calls the share may be off by where a side stands idle: SLACK there.
  static constexpr double kSlack = 4;

  /// From the next call on. False for a plan that is not later (IsLaterPlan) than the one that is followed:
  /// nothing changes.
  bool Follow(Plan plan);
  /// Here what is not planned.
  Side SideFor(std::string_view function, const SidesInFlight& sides);
  int64_t BackCpuUs(std::string_view function) const;
  const Plan& plan() const { return plan_; }

 private:
  struct Spread {
    double owed = 0;  ///< to this side, in calls
    uint64_t calls = 0;

    Side Next(const Placement& placement, const SidesInFlight& sides);
  };

  Plan plan_;
  std::map<std::string, Spread, std::less<>> spreads_;  ///< of the functions of the plan
};

}  // namespace locus
