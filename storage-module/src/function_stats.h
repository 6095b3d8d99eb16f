// What the calls of each function used and how they ended, since the module was loaded: LOCUS.FUNCTION STATS,
// which shows beside it what they have now, and the counters of LOCUS.INFO. Counted on the main thread
// (admission) and the service thread (outcomes).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor.h"

namespace locus {

struct CallCounters {
  uint64_t calls = 0;
  uint64_t in_flight = 0;
  std::array<uint64_t, static_cast<size_t>(Code::kCount)> outcomes = {};
  uint64_t pushed_back = 0;  ///< runs of calls that were to run elsewhere
  uint64_t let_stay = 0;     ///< dearer than what is pushed back, while that had wasted enough
  Usage usage;

  void Admit();
  void End(const Outcome& outcome);
  /// A run of a call that has not ended with it.
  void PushedBack(const Usage& usage);
  uint64_t errors() const;
  /// `CODE:count` for each error that occurred.
  std::vector<std::pair<const char*, uint64_t>> errors_by_code() const;
};

class FunctionStats {
 public:
  void Admit(const FunctionImage& image);
  /// Adds to a function only while it is deployed; to the totals always. Callers name what is tried as they
  /// like: of that there are totals only.
  void End(const FunctionImage& image, const Outcome& outcome);
  /// A run of a call that goes on elsewhere.
  void PushedBack(const FunctionImage& image, const Usage& usage);
  /// A call that has ended was not pushed back, since that had wasted enough of what the function computes.
  void LetStay(const FunctionImage& image);
  /// The function is no longer deployed.
  void Forget(std::string_view name);

  CallCounters totals() const;
  /// JSON, with what the function has now; all zero for a function that was never called.
  std::string Json(std::string_view name, const Supervisor::Load& load) const;

 private:
  mutable std::mutex mutex_;
  CallCounters totals_;
  std::map<std::string, CallCounters, std::less<>> functions_;
};

/// A usage as runtime/profile/sample.ts has it.
std::string UsageJson(const Usage& usage);

}  // namespace locus
