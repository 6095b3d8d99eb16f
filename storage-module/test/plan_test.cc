#include "plan.h"

#include <string>

#include "tests.h"

namespace {

using locus::Code;
using locus::Plan;

std::string Text(uint64_t version, std::string_view placements) {
  return R"({"version":)" + std::to_string(version) + R"(,"placements":{)" + std::string(placements) + "}}";
}

std::string Placed(std::string_view share, std::string_view probe_every = "0",
                   std::string_view state = "split", std::string_view overflow_min = "3",
                   std::string_view overflow_times = "0.5") {
  return R"("f":{"state":")" + std::string(state) + R"(","share":)" + std::string(share) +
         R"(,"probeEvery":)" + std::string(probe_every) + R"(,"backCpuUs":0,"overflowMin":)" +
         std::string(overflow_min) + R"(,"overflowTimes":)" + std::string(overflow_times) + "}";
}

const std::string kNoOverflow = R"(,"overflowMin":0,"overflowTimes":0)";

Plan Read(const std::string& json) {
  Plan plan;
  EXPECT(!ReadPlan(json, &plan));
  return plan;
}

void APlanIsReadWholeOrNotAtAll() {
  Plan plan = Read(Text(7, Placed("0.25", "100")));
  EXPECT(plan.version == 7 && plan.placements.at("f").share == 0.25 &&
         plan.placements.at("f").probe_every == 100 && plan.placements.at("f").overflow_min == 3 &&
         plan.placements.at("f").overflow_times == 0.5);
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
           Text(8, Placed("1", "0", "split", "1000001")),
           Text(8, Placed("1", "0", "split", "1.5")),
           Text(8, Placed("1", "0", "split", "3", "-1")),
           Text(8, Placed("1", "0", "split", "3", "1e7")),
           Text(8, R"("f":{"state":"split","share":1})"),
           Text(8, R"("f":{"state":"split","share":1,"probeEvery":0,"backCpuUs":0)" + kNoOverflow +
                       R"(,"more":{}})"),
           Text(8, R"("F":{"state":"split","share":1,"probeEvery":0,"backCpuUs":0)" + kNoOverflow + "}"),
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
                    R"(":{"state":"compute","share":0,"probeEvery":0,"backCpuUs":0)" + kNoOverflow + "}";
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

}  // namespace

void TestPlan() {
  APlanIsReadWholeOrNotAtAll();
  APlanOfManyFunctionsHasABound();
  NestingCostsNothing();
}
