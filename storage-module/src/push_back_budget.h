// What the push-backs of a function may waste: a call that is pushed back has computed for nothing. Of calls that
// came without a node, for which this server decides. A token bucket in µs of computing (docs/placement.md,
// Push-back), the twin of runtime/placement/push-back.ts: test/storage-module/plan-follower.test.ts
// holds the two together.
#pragma once

#include <algorithm>

namespace locus {

class PushBackBudget {
 public:
  /// Of what calls compute.
  static constexpr double kPart = 0.05;
  /// What may be wasted beyond that, and is gathered at most.
  static constexpr double kBurstUs = 500'000;
  /// No sandbox host is believed to have computed more for nothing.
  static constexpr double kDebtMaxUs = 60'000'000;

  /// Nothing is left: the calls that come now are not pushed back. One that was under way may make a debt,
  /// which is paid first.
  bool IsSpent() const { return left_us_ <= 0; }
  /// A call has come to its end, wherever that was.
  void Ended(double cpu_us) { left_us_ = std::min(kBurstUs, left_us_ + kPart * std::max(0.0, cpu_us)); }
  /// A call has computed for so long, and begins anew.
  void PushedBack(double cpu_us) { left_us_ = std::max(-kDebtMaxUs, left_us_ - std::max(0.0, cpu_us)); }

 private:
  double left_us_ = kBurstUs;
};

}  // namespace locus
