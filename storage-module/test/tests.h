// One per file, called by main.cc.
#pragma once

#include "expect.h"

void TestCoreTimes();
void TestJsonText();
void TestLockBudget();
void TestOperationRound();
void TestPlan();
void TestPlanFollower();
void TestRegistry();
void TestRespScanner();
void TestSampleTally();
void TestTimers();
void TestTraces();
void TestWantedUsers();
