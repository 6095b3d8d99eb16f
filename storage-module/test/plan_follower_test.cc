#include "plan_follower.h"

#include <cmath>

#include "tests.h"

namespace {

using locus::Plan;
using locus::PlanFollower;
using locus::Side;
using locus::SidesInFlight;

constexpr SidesInFlight kIdle = {};

Plan None(uint64_t version) {
  Plan plan;
  plan.version = version;
  return plan;
}

Plan Of(uint64_t version, double share, uint32_t probe_every = 0) {
  Plan plan = None(version);
  plan.placements["f"] = {"split", share, probe_every};
  return plan;
}

void OnlyALaterPlanIsFollowed() {
  PlanFollower follower;
  EXPECT(follower.plan().version == 0 && follower.SideFor("f", kIdle).side == Side::kStorage);
  EXPECT(follower.Follow(Of(5, 0)));
  EXPECT(follower.SideFor("f", kIdle).side == Side::kCompute);
  EXPECT(follower.SideFor("g", kIdle).side == Side::kStorage);
  for (const uint64_t version : {1, 4, 5}) EXPECT(!follower.Follow(None(version)));
  EXPECT(follower.SideFor("f", kIdle).side == Side::kCompute);
  EXPECT(follower.Follow(None(6)));
  EXPECT(follower.SideFor("f", kIdle).side == Side::kStorage);
}

void NoVersionIsTheLast() {
  constexpr uint64_t kReign = uint64_t{1} << 24;
  PlanFollower follower;
  EXPECT(follower.Follow(Of(locus::kPlanVersionMax, 0)));
  EXPECT(!follower.Follow(Of(locus::kPlanVersionMax, 1)));
  EXPECT(!follower.Follow(Of(locus::kPlanVersionMax - 1, 1)));
  EXPECT(follower.Follow(Of(kReign, 1)));
  EXPECT(!follower.Follow(Of(locus::kPlanVersionMax, 0)));
  EXPECT(follower.plan().version == kReign && follower.SideFor("f", kIdle).side == Side::kStorage);
}

void TheShareIsThePlannedOneAtAnyTime() {
  for (const double share : {0.0, 0.001, 0.1, 1.0 / 3, 0.5, 0.9, 0.999, 1.0}) {
    PlanFollower follower;
    follower.Follow(Of(1, share));
    double here = 0;
    for (int calls = 1; calls <= 2'000; calls++) {
      here += follower.SideFor("f", kIdle).side == Side::kStorage ? 1 : 0;
      EXPECT(std::abs(here - share * calls) <= 1);
    }
  }
}

void AChangedShareHoldsFromTheNextCallOn() {
  PlanFollower follower;
  uint64_t version = 0;
  for (int i = 0; i < 10; i++) {
    follower.Follow(Of(++version, 0.7));
    for (int call = 0; call < i; call++) follower.SideFor("f", kIdle);
    follower.Follow(Of(++version, 0));
    EXPECT(follower.SideFor("f", kIdle).side == Side::kCompute);
    follower.Follow(Of(++version, 1));
    EXPECT(follower.SideFor("f", kIdle).side == Side::kStorage);
  }
}

void OneCallInSoManyVisitsTheOtherSide() {
  for (const double share : {0.0, 1.0}) {
    PlanFollower follower;
    follower.Follow(Of(1, share, 10));
    const Side other = share == 0 ? Side::kStorage : Side::kCompute;
    for (int call = 1; call <= 50; call++)
      EXPECT((follower.SideFor("f", kIdle).side == other) == (call % 10 == 0));
  }
}

void ACallOfASplitFunctionGoesWhereNothingRuns() {
  constexpr SidesInFlight kStorageBusy = {{}, {3, 0}};
  PlanFollower split;
  split.Follow(Of(1, 0.9));
  for (int call = 0; call < 3; call++) EXPECT(split.SideFor("f", kStorageBusy).side == Side::kCompute);
  PlanFollower whole;
  whole.Follow(Of(1, 1));
  EXPECT(whole.SideFor("f", kStorageBusy).side == Side::kStorage);
}

void WhateverStandsIdleTheShareIsThePlannedOneToWithinAFewCalls() {
  for (const SidesInFlight& sides :
       {SidesInFlight{{}, {1, 0}}, SidesInFlight{{1, 0}, {}}, SidesInFlight{{2, 0}, {5, 5}}}) {
    PlanFollower follower;
    follower.Follow(Of(1, 0.3));
    double here = 0;
    for (int calls = 1; calls <= 2'000; calls++) {
      here += follower.SideFor("f", sides).side == Side::kStorage ? 1 : 0;
      EXPECT(std::abs(here - 0.3 * calls) <= PlanFollower::kSlack + 1);
    }
  }
}

void OneThatOverflowsDoesNotJoinALongQueueBesideAShortOne() {
  for (const uint32_t min : {0, 3}) {
    PlanFollower follower;
    Plan plan = Of(1, 1);
    plan.placements["f"].overflow_min = min;
    plan.placements["f"].overflow_times = 4;
    follower.Follow(plan);
    EXPECT(follower.SideFor("f", kIdle).overflows == (min > 0) && !follower.SideFor("g", kIdle).overflows);
    const Side then = min > 0 ? Side::kCompute : Side::kStorage;
    EXPECT(follower.SideFor("f", {{}, {3, 3}}).side == then);
    EXPECT(follower.SideFor("f", {{}, {3, 2}}).side == Side::kStorage);
    EXPECT(follower.SideFor("f", {{1, 0}, {9, 6}}).side == Side::kStorage);
    EXPECT(follower.SideFor("f", {{1, 0}, {9, 7}}).side == then);
    // One that two nodes share is half of one to each.
    EXPECT(follower.SideFor("f", {{0.5, 0}, {9, 4.5}}).side == Side::kStorage);
    const locus::PlannedSide left = follower.SideFor("f", {{0.5, 0}, {9, 5}});
    EXPECT(left.side == then && left.overflowed == (min > 0));
    const locus::PlannedSide stays = follower.SideFor("f", kIdle);
    EXPECT(stays.side == Side::kStorage && !stays.overflowed);
  }
}

}  // namespace

void TestPlanFollower() {
  OnlyALaterPlanIsFollowed();
  NoVersionIsTheLast();
  TheShareIsThePlannedOneAtAnyTime();
  AChangedShareHoldsFromTheNextCallOn();
  OneCallInSoManyVisitsTheOtherSide();
  ACallOfASplitFunctionGoesWhereNothingRuns();
  WhateverStandsIdleTheShareIsThePlannedOneToWithinAFewCalls();
  OneThatOverflowsDoesNotJoinALongQueueBesideAShortOne();
}
