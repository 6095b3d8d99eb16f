// The plan that this server follows (runtime/placement/plan.ts): for each function, which part of its calls
// runs here. Whoever controls placement says so with LOCUS.PLAN SET; LOCUS.CALL obeys.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "reply.h"

namespace locus {

/// Bytes of a plan, and functions in it: as many as can be tallied (sample_tally.h). Chosen: what a
/// controller that follows 1,000 functions, the registry's most, sends several times over.
constexpr size_t kPlanBytesMax = 1 << 20;
constexpr size_t kPlanFunctionsMax = 4'096;
/// Versions are numbers that JavaScript holds exactly.
constexpr uint64_t kPlanVersionMax = (uint64_t{1} << 53) - 1;

enum class Side { kCompute, kStorage };

/// Of one function; as `Placement` in plan.ts.
struct Placement {
  std::string_view state;    ///< one of a closed list
  double share = 0;          ///< of its calls, here: 0 to 1
  uint32_t probe_every = 0;  ///< one call in so many visits the other side; 0: none does
  int64_t back_cpu_us = 0;   ///< a call that has computed here for so long is pushed back; 0: none is
};

struct Plan {
  uint64_t version = 0;  ///< 0: there is none
  std::map<std::string, Placement, std::less<>> placements;

  std::string Json() const;
};

/// The twin of isLaterPlan in plan.ts: versions go round, and one is later than the half of them that lie
/// behind it. 0 is earlier than all.
bool IsLaterPlan(uint64_t version, uint64_t than);

/// Reads the whole of it, or says what is wrong with it.
Failure ReadPlan(std::string_view json, Plan* plan);

/// Says for each call where it runs, the twin of compute/placement/plan-follower.ts, but for what that
/// knows of sides that stand idle: the planned share of calls runs here, spread as evenly as can be, and now
/// and then one visits the other side.
class PlanFollower {
 public:
  /// From the next call on. False for a plan that is not later (IsLaterPlan) than the one that is followed:
  /// nothing changes.
  bool Follow(Plan plan);
  /// Here what is not planned.
  Side SideFor(std::string_view function);
  int64_t BackCpuUs(std::string_view function) const;
  const Plan& plan() const { return plan_; }

 private:
  struct Spread {
    double owed = 0;  ///< to this side, in calls
    uint64_t calls = 0;
  };

  Plan plan_;
  std::map<std::string, Spread, std::less<>> spreads_;  ///< of the functions of the plan
};

}  // namespace locus
