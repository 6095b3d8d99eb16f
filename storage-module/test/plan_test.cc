#include "plan.h"

#include <cmath>
#include <string>

#include "tests.h"

namespace {

using locus::Code;
using locus::Plan;
using locus::PlanFollower;
using locus::Side;

std::string Text(uint64_t version, std::string_view placements) {
  return R"({"version":)" + std::to_string(version) + R"(,"placements":{)" + std::string(placements) + "}}";
}

std::string Placed(std::string_view share, std::string_view probe_every = "0",
                   std::string_view state = "split") {
  return R"("f":{"state":")" + std::string(state) + R"(","share":)" + std::string(share) +
         R"(,"probeEvery":)" + std::string(probe_every) + R"(,"backCpuUs":0})";
}

Plan Read(const std::string& json) {
  Plan plan;
  EXPECT(!ReadPlan(json, &plan));
  return plan;
}

void APlanIsReadWholeOrNotAtAll() {
  Plan plan = Read(Text(7, Placed("0.25", "100")));
  EXPECT(plan.version == 7 && plan.placements.at("f").share == 0.25 &&
         plan.placements.at("f").probe_every == 100);
  EXPECT(plan.placements.at("f").state == "split");
  EXPECT(Read(plan.Json()).Json() == plan.Json());
  const std::string good = Placed("1");
  for (const std::string& bad : {
           std::string(""),
           std::string("[]"),
           std::string("{}"),
           std::string("\xef\xbb\xbf") + Text(8, good),
           Text(8, good) + std::string("\0x", 2),
           Text(0, good),
           Text(locus::kPlanVersionMax + 1, good),
           std::string(R"({"version":-1,"placements":{}})"),
           std::string(R"({"version":1.5,"placements":{}})"),
           std::string(R"({"version":8,"placements":[]})"),
           std::string(R"({"version":8,"placements":{},"more":1})"),
           Text(8, Placed("1.1")),
           Text(8, Placed("-0.1")),
           Text(8, Placed("null")),
           Text(8, Placed("1", "-1")),
           Text(8, Placed("1", "4294967296")),
           Text(8, Placed("1", "0.5")),
           Text(8, Placed("1", "0", "elsewhere")),
           Text(8, R"("f":{"state":"split","share":1})"),
           Text(8, R"("f":{"state":"split","share":1,"probeEvery":0,"backCpuUs":0,"more":{}})"),
           Text(8, R"("F":{"state":"split","share":1,"probeEvery":0,"backCpuUs":0})"),
           Text(8, good + R"(,"g":{})"),
           std::string(locus::kPlanBytesMax + 1, ' '),
       }) {
    EXPECT(ReadPlan(bad, &plan).code == Code::REQUEST_INVALID);
    EXPECT(plan.version == 7);
  }
}

void APlanOfManyFunctionsHasABound() {
  const auto of = [](size_t count) {
    std::string placements;
    for (size_t i = 0; i < count; i++)
      placements += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) +
                    R"(":{"state":"compute","share":0,"probeEvery":0,"backCpuUs":0})";
    return Text(1, placements);
  };
  Plan plan;
  EXPECT(!ReadPlan(of(locus::kPlanFunctionsMax), &plan));
  EXPECT(plan.placements.size() == locus::kPlanFunctionsMax);
  EXPECT(ReadPlan(of(locus::kPlanFunctionsMax + 1), &plan).code == Code::REQUEST_INVALID);
}

void NestingCostsNothing() {
  Plan plan;
  std::string deep = R"({"version":1,"placements":)";
  while (deep.size() < locus::kPlanBytesMax - 10) deep += R"({"a":)";
  EXPECT(ReadPlan(deep, &plan).code == Code::REQUEST_INVALID);
  EXPECT(ReadPlan("{\"a\":" + std::string(locus::kPlanBytesMax - 10, '['), &plan).code ==
         Code::REQUEST_INVALID);
}

void OnlyALaterPlanIsFollowed() {
  PlanFollower follower;
  EXPECT(follower.plan().version == 0 && follower.SideFor("f") == Side::kStorage);
  EXPECT(follower.Follow(Read(Text(5, Placed("0")))));
  EXPECT(follower.SideFor("f") == Side::kCompute && follower.SideFor("g") == Side::kStorage);
  for (const uint64_t version : {1, 4, 5}) EXPECT(!follower.Follow(Read(Text(version, ""))));
  EXPECT(follower.SideFor("f") == Side::kCompute);
  EXPECT(follower.Follow(Read(Text(6, ""))));
  EXPECT(follower.SideFor("f") == Side::kStorage);
}

void NoVersionIsTheLast() {
  constexpr uint64_t kReign = uint64_t{1} << 24;
  PlanFollower follower;
  EXPECT(follower.Follow(Read(Text(locus::kPlanVersionMax, Placed("0")))));
  EXPECT(!follower.Follow(Read(Text(locus::kPlanVersionMax, Placed("1")))));
  EXPECT(!follower.Follow(Read(Text(locus::kPlanVersionMax - 1, Placed("1")))));
  EXPECT(follower.Follow(Read(Text(kReign, Placed("1")))));
  EXPECT(!follower.Follow(Read(Text(locus::kPlanVersionMax, Placed("0")))));
  EXPECT(follower.plan().version == kReign && follower.SideFor("f") == Side::kStorage);
}

void TheShareIsThePlannedOneAtAnyTime() {
  for (const char* share : {"0", "0.001", "0.1", "0.3333333333333333", "0.5", "0.9", "0.999", "1"}) {
    PlanFollower follower;
    follower.Follow(Read(Text(1, Placed(share))));
    double here = 0;
    for (int calls = 1; calls <= 2'000; calls++) {
      here += follower.SideFor("f") == Side::kStorage ? 1 : 0;
      EXPECT(std::abs(here - std::stod(share) * calls) <= 1);
    }
  }
}

void AChangedShareHoldsFromTheNextCallOn() {
  PlanFollower follower;
  uint64_t version = 0;
  for (int i = 0; i < 10; i++) {
    follower.Follow(Read(Text(++version, Placed("0.7"))));
    for (int call = 0; call < i; call++) follower.SideFor("f");
    follower.Follow(Read(Text(++version, Placed("0"))));
    EXPECT(follower.SideFor("f") == Side::kCompute);
    follower.Follow(Read(Text(++version, Placed("1"))));
    EXPECT(follower.SideFor("f") == Side::kStorage);
  }
}

void OneCallInSoManyVisitsTheOtherSide() {
  for (const char* share : {"0", "1"}) {
    PlanFollower follower;
    follower.Follow(Read(Text(1, Placed(share, "10"))));
    const Side other = *share == '0' ? Side::kStorage : Side::kCompute;
    for (int call = 1; call <= 50; call++) EXPECT((follower.SideFor("f") == other) == (call % 10 == 0));
  }
}

}  // namespace

void TestPlan() {
  APlanIsReadWholeOrNotAtAll();
  APlanOfManyFunctionsHasABound();
  NestingCostsNothing();
  OnlyALaterPlanIsFollowed();
  NoVersionIsTheLast();
  TheShareIsThePlannedOneAtAnyTime();
  AChangedShareHoldsFromTheNextCallOn();
  OneCallInSoManyVisitsTheOtherSide();
}
