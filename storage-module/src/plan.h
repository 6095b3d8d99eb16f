// The plan that this server follows (runtime/placement/plan.ts): for each function, which part of its calls
// runs here. Whoever controls placement says so with LOCUS.PLAN SET; LOCUS.CALL obeys (plan_follower.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "reply.h"

namespace locus {

/// Bytes of a plan, and functions in it: as many as can be tallied (sample_tally.h). A controller plans for
/// the functions that are called, at most as many, and needs less than 200 bytes for each.
constexpr size_t kPlanBytesMax = 1 << 20;
constexpr size_t kPlanFunctionsMax = 4'096;
/// OVERFLOW_MAX in plan.ts.
constexpr uint32_t kOverflowMax = 1'000'000;
/// Versions are numbers that JavaScript holds exactly.
constexpr uint64_t kPlanVersionMax = (uint64_t{1} << 53) - 1;

/// Of one function; as `Placement` in plan.ts.
struct Placement {
  std::string_view state;    ///< one of a closed list
  double share = 0;          ///< of its calls, here: 0 to 1
  uint32_t probe_every = 0;  ///< one call in so many visits the other side; 0: none does
  int64_t back_cpu_us = 0;   ///< a call that has computed here for so long is pushed back; 0: none is
  uint32_t overflow_min = 0;  ///< a call leaves where so many that overflow are on its side, …; 0: none does
  double overflow_times = 0;  ///< … and so many times as many besides as are on the other
};

struct Plan {
  uint64_t version = 0;  ///< 0: there is none
  std::map<std::string, Placement, std::less<>> placements;

  std::string Json() const;
};

/// The twin of isLaterPlan in plan.ts: versions go round, and one is later than the half of them that lie
/// behind it. 0 is earlier than all.
inline bool IsLaterPlan(uint64_t version, uint64_t than) {
  if (version == 0 || than == 0) return version > than;
  const uint64_t ahead = (version - than) & kPlanVersionMax;
  return ahead != 0 && ahead <= kPlanVersionMax / 2;
}

/// Reads the whole of it, or says what is wrong with it.
Failure ReadPlan(std::string_view json, Plan* plan);

}  // namespace locus
