// Follows the plan, call by call: of each function's calls the planned share runs here, spread as evenly as
// can be, and now and then one visits the other side. A call of a function that is split does not wait for
// its turn at a side that is busy while the other stands idle, and one that overflows not in a long queue
// beside a short one. The twin of compute/placement/plan-follower.ts:
// test/storage-module/plan-follower.test.ts holds the two together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "plan.h"
#include "push_back_budget.h"

namespace locus {

enum class Side { kCompute, kStorage };

/// How many calls a side has now. Parts of one, where several nodes share them.
struct SideInFlight {
  double in_flight = 0;
  double overflowing = 0;  ///< of them, those of functions that overflow
};

/// As far as this server knows: those that nodes have of it, and all that are in its hosts.
struct SidesInFlight {
  SideInFlight compute;
  SideInFlight storage;
};

/// What the plan says of one call.
struct PlannedSide {
  Side side = Side::kStorage;
  bool overflows = false;   ///< it is of a function whose calls do so where they are many
  bool overflowed = false;  ///< its own side is the other one, which has too many
  int64_t back_cpu_us = 0;  ///< as in `Placement` …
  bool spent = false;       ///< … but nothing is left of what push-backs of its function may waste
};

class PlanFollower {
 public:
  /// So many calls the share may be off by where a side stands idle: SLACK there.
  static constexpr double kSlack = 4;

  /// From the next call on. False for a plan that is not later (IsLaterPlan) than the one that is followed:
  /// nothing changes.
  bool Follow(Plan plan);
  /// Here what is not planned.
  PlannedSide SideFor(std::string_view function, const SidesInFlight& sides);
  /// A call of this function has come to its end, wherever that was, or was pushed back: what it computed.
  void Ended(std::string_view function, double cpu_us);
  void PushedBack(std::string_view function, double cpu_us);
  const Plan& plan() const { return plan_; }

 private:
  struct Spread {
    double owed = 0;  ///< to this side, in calls
    uint64_t calls = 0;
    PushBackBudget budget;

    PlannedSide Next(const Placement& placement, const SidesInFlight& sides);
    Side ByShare(double share, const SidesInFlight& sides);
  };

  Plan plan_;
  std::map<std::string, Spread, std::less<>> spreads_;  ///< of the functions of the plan
};

}  // namespace locus
