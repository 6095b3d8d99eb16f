#include "lock_budget.h"

#include "tests.h"

namespace {

using locus::LockBudget;

constexpr int64_t kUs = 1'000;
constexpr int64_t kQuantum = 200 * kUs;

void ANewBudgetHasAQuantum() {
  const LockBudget budget(0.3, kQuantum);
  EXPECT(budget.available_ns() == kQuantum);
  EXPECT(!budget.runs_low());
}

void SpentTimeIsGoneUntilAPass() {
  LockBudget budget(0.3, kQuantum);
  budget.Spend(150 * kUs);
  EXPECT(budget.available_ns() == 50 * kUs);
  EXPECT(budget.runs_low());
  budget.Spend(80 * kUs);
  EXPECT(budget.available_ns() == 0);
}

void AnIdlePassGivesAQuantumWhateverTheDebt() {
  LockBudget budget(0.3, kQuantum);
  budget.Spend(100'000 * kUs);
  budget.OnPass(3 * kUs);
  EXPECT(budget.available_ns() == kQuantum);
}

void APassWithWorkGivesItsShare() {
  LockBudget budget(0.25, kQuantum);
  budget.Spend(kQuantum);
  budget.OnPass(90 * kUs);
  EXPECT(budget.available_ns() == 30 * kUs);
}

void ADebtIsPaidFromWork() {
  LockBudget budget(0.5, kQuantum);
  budget.Spend(kQuantum + 100 * kUs);
  budget.OnPass(60 * kUs);
  EXPECT(budget.available_ns() == 0);
  budget.OnPass(60 * kUs);
  EXPECT(budget.available_ns() == 20 * kUs);
}

void BusyPassesDoNotAddUpBeyondAQuantum() {
  LockBudget budget(0.5, kQuantum);
  for (int i = 0; i < 100; i++) budget.OnPass(150 * kUs);
  EXPECT(budget.available_ns() == kQuantum);
}

void ALongPassGivesMoreThanAQuantumUpToTheLongestHold() {
  LockBudget budget(0.5, kQuantum);
  budget.Spend(kQuantum);
  budget.OnPass(600 * kUs);
  EXPECT(budget.available_ns() == 600 * kUs);
  budget.OnPass(1'000'000 * kUs);
  EXPECT(budget.available_ns() == LockBudget::kHoldMaxNs);
}

void ASmallerQuantumHoldsAtOnce() {
  LockBudget budget(0.3, kQuantum);
  budget.Configure(0.3, 50 * kUs);
  EXPECT(budget.available_ns() == 50 * kUs);
}

/// Main thread and service in turn, both always with work: holds of one operation each overrun a little.
void UnderFullLoadTheServiceHasItsShare() {
  for (const int64_t pass_ns : {20 * kUs, 100 * kUs, 500 * kUs, 1'500 * kUs}) {
    LockBudget budget(0.3, kQuantum);
    budget.Spend(kQuantum);
    int64_t served = 0;
    int64_t worked = 0;
    for (int i = 0; i < 10'000; i++) {
      worked += pass_ns;
      budget.OnPass(pass_ns);
      for (int64_t left = budget.available_ns(); left > 0; left -= 7 * kUs) {
        budget.Spend(7 * kUs);
        served += 7 * kUs;
      }
    }
    const double share = static_cast<double>(served) / static_cast<double>(served + worked);
    EXPECT(share > 0.29 && share < 0.31);
  }
}

}  // namespace

void TestLockBudget() {
  ANewBudgetHasAQuantum();
  SpentTimeIsGoneUntilAPass();
  AnIdlePassGivesAQuantumWhateverTheDebt();
  APassWithWorkGivesItsShare();
  ADebtIsPaidFromWork();
  BusyPassesDoNotAddUpBeyondAQuantum();
  ALongPassGivesMoreThanAQuantumUpToTheLongestHold();
  ASmallerQuantumHoldsAtOnce();
  UnderFullLoadTheServiceHasItsShare();
}
