// How long the keyspace service may hold Redis' global lock: the rule of fairness, alone, without a clock.
//
// The lock is not fair: a thread that drops and retakes it starves the main thread. So the service spends a
// credit of lock time, and only a finished pass of the main thread's event loop gives it a new one: a full
// quantum when the pass was idle (nobody waited), else in proportion to the work that the main thread did in
// it, so that the service's share of the lock stays at `share` while clients wait. docs/storage-module.md has
// the numbers.
#pragma once

#include <algorithm>
#include <cstdint>

namespace locus {

class LockBudget {
 public:
  /// A pass that used less of the main thread's CPU than this served no client, or next to nothing: waking
  /// up, timers and the way through the event loop take about half of it.
  static constexpr int64_t kIdlePassNs = 15'000;
  /// One hold, at most, however long the main thread's pass was. Chosen, not measured.
  static constexpr int64_t kHoldMaxNs = 1'000'000;

  /// `share`: of the lock while clients wait, 0 < share < 1. `quantum_ns`: the credit of an idle pass.
  LockBudget(double share, int64_t quantum_ns) { Configure(share, quantum_ns); }

  void Configure(double share, int64_t quantum_ns) {
    service_per_work_ = share / (1 - share);
    quantum_ns_ = quantum_ns;
    credit_ns_ = std::min(credit_ns_, quantum_ns);
  }

  /// How long the lock may be held now; 0: not before the next pass.
  int64_t available_ns() const { return std::clamp<int64_t>(credit_ns_, 0, kHoldMaxNs); }
  /// Less than half is left: a pass now, while the service can still work, saves it a wait later.
  bool runs_low() const { return credit_ns_ < quantum_ns_ / 2; }

  /// The lock was held for this long. More than was available becomes a debt, paid from later passes with
  /// work.
  void Spend(int64_t held_ns) { credit_ns_ -= held_ns; }

  /// The main thread finished a pass of its event loop, which took `work_ns` of its CPU time.
  void OnPass(int64_t work_ns) {
    if (work_ns < kIdlePassNs) {
      credit_ns_ = quantum_ns_;
      return;
    }
    const auto earned_ns = static_cast<int64_t>(static_cast<double>(work_ns) * service_per_work_);
    credit_ns_ = std::min(credit_ns_ + earned_ns, std::max(quantum_ns_, earned_ns));
  }

 private:
  double service_per_work_ = 0;
  int64_t quantum_ns_ = 0;
  int64_t credit_ns_ = INT64_MAX;  // Configure cuts it to the first quantum
};

}  // namespace locus
