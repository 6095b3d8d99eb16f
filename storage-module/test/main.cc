// Runs the module's unit tests in C++; started by test/storage-module/unit.test.ts.
#include "tests.h"

int main() {
  TestCoreTimes();
  TestJsonText();
  TestLockBudget();
  TestOperationRound();
  TestPlan();
  TestPlanFollower();
  TestRegistry();
  TestRespScanner();
  TestSampleTally();
  TestTimers();
  TestTraces();
  TestWantedUsers();
  return failures == 0 ? 0 : 1;
}
