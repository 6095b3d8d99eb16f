#include "traces.h"

#include <string>
#include <utility>

#include "tests.h"

namespace {

using locus::Code;
using locus::Side;
using locus::Stay;
using locus::Trace;
using locus::Traces;

constexpr int64_t kUs = 1'000;
/// When the calls here were admitted.
constexpr int64_t kAdmittedNs = 5'000'000 * kUs;

Stay At(Side side, int64_t from_us, int64_t until_us) {
  Stay stay;
  stay.side = side;
  stay.from_ns = kAdmittedNs + from_us * kUs;
  stay.until_ns = kAdmittedNs + until_us * kUs;
  return stay;
}

void Use(Stay* stay, int64_t queue_us, int64_t start_us, uint64_t cpu_us, uint64_t wait_us) {
  stay->usage.queue_ns = queue_us * kUs;
  stay->usage.start_ns = start_us * kUs;
  stay->usage.isolate.cpu_ns = cpu_us * kUs;
  stay->usage.isolate.wait_ns = wait_us * kUs;
}

/// The steps of a call that has ended at `elapsed_us`.
std::string StepsOf(std::vector<Stay> stays, int64_t elapsed_us, Code code = Code::kOk) {
  Trace trace;
  trace.admitted_ns = kAdmittedNs;
  trace.elapsed_ns = elapsed_us * kUs;
  trace.code = code;
  trace.stays = std::move(stays);
  const std::string json = trace.Json();
  return json.substr(json.find("\"trace\":") + 8);
}

void ACallThatStaysShowsItsStates() {
  Stay stay = At(Side::kStorage, 0, 1'000);
  Use(&stay, 50, 20, 300, 400);
  EXPECT(StepsOf({stay}, 1'000) == R"([{"state":"queued","side":"storage","atUs":0,"forUs":30},)"
                                   R"({"state":"starting","side":"storage","atUs":30,"forUs":20},)"
                                   R"({"state":"running","side":"storage","atUs":50,"forUs":300},)"
                                   R"({"state":"waiting","side":"storage","forUs":400},)"
                                   R"({"state":"done","side":"storage","atUs":1000}]})");
}

void WhatTookNoTimeIsLeftOut() {
  Stay stay = At(Side::kStorage, 0, 10);
  Use(&stay, 0, 0, 4, 0);
  stay.usage.isolate.wait_ns = 499;
  EXPECT(StepsOf({stay}, 10, Code::FUNCTION_FAILED) ==
         R"([{"state":"running","side":"storage","atUs":0,"forUs":4},)"
         R"({"state":"failed","side":"storage","atUs":10}]})");
}

void WaitingForANodeAndInItIsOneWait() {
  Stay stay = At(Side::kCompute, 10, 1'000);
  stay.taken_ns = kAdmittedNs + 100 * kUs;
  stay.told = true;
  Use(&stay, 50, 20, 300, 0);
  EXPECT(StepsOf({stay}, 1'000) == R"([{"state":"queued","side":"compute","atUs":10,"forUs":120},)"
                                   R"({"state":"starting","side":"compute","atUs":130,"forUs":20},)"
                                   R"({"state":"running","side":"compute","atUs":150,"forUs":300},)"
                                   R"({"state":"done","side":"compute","atUs":1000}]})");
}

void ANodeThatSaysNothingHadTheCallAllThatTime() {
  const Stay untaken = At(Side::kCompute, 0, 100);
  Stay lost = At(Side::kCompute, 100, 400);
  lost.taken_ns = kAdmittedNs + 150 * kUs;
  EXPECT(StepsOf({untaken, lost}, 400, Code::SANDBOX_DIED) ==
         R"([{"state":"queued","side":"compute","atUs":0,"forUs":100},)"
         R"({"state":"queued","side":"compute","atUs":100,"forUs":50},)"
         R"({"state":"running","side":"compute","atUs":150,"forUs":250},)"
         R"({"state":"failed","side":"compute","atUs":400}]})");
}

void ACallThatIsPushedBackGoesOnElsewhere() {
  Stay before = At(Side::kStorage, 0, 500);
  Use(&before, 0, 0, 450, 0);
  before.pushed_back = true;
  Stay after = At(Side::kCompute, 500, 900);
  after.taken_ns = after.from_ns;
  after.told = true;
  Use(&after, 0, 0, 200, 0);
  EXPECT(StepsOf({before, after}, 900) == R"([{"state":"running","side":"storage","atUs":0,"forUs":450},)"
                                          R"({"state":"pushed-back","side":"storage","atUs":500},)"
                                          R"({"state":"running","side":"compute","atUs":500,"forUs":200},)"
                                          R"({"state":"done","side":"compute","atUs":900}]})");
}

void WhateverIsSaidNothingLastsLongerThanTheCallWasThere() {
  Stay stay = At(Side::kStorage, 0, 100);
  stay.usage.queue_ns = INT64_MAX;
  stay.usage.start_ns = INT64_MIN;
  stay.usage.isolate.cpu_ns = UINT64_MAX;
  stay.usage.isolate.wait_ns = UINT64_MAX;
  EXPECT(StepsOf({stay}, 100) == R"([{"state":"starting","side":"storage","atUs":0,"forUs":100},)"
                                 R"({"state":"running","side":"storage","atUs":100,"forUs":100},)"
                                 R"({"state":"waiting","side":"storage","forUs":100},)"
                                 R"({"state":"done","side":"storage","atUs":100}]})");
}

void TheLastAreKeptAndNoIdComesTwice() {
  Traces traces;
  for (size_t i = 0; i < locus::kTracesMax + 2; i++) traces.Keep({});
  EXPECT(traces.kept().size() == locus::kTracesMax);
  EXPECT(traces.kept().front().id == 3 && traces.kept().back().id == locus::kTracesMax + 2);
  traces.Reset();
  EXPECT(traces.kept().empty());
  traces.Keep({});
  EXPECT(traces.kept().front().id == locus::kTracesMax + 3);
}

}  // namespace

void TestTraces() {
  ACallThatStaysShowsItsStates();
  WhatTookNoTimeIsLeftOut();
  WaitingForANodeAndInItIsOneWait();
  ANodeThatSaysNothingHadTheCallAllThatTime();
  ACallThatIsPushedBackGoesOnElsewhere();
  WhateverIsSaidNothingLastsLongerThanTheCallWasThere();
  TheLastAreKeptAndNoIdComesTwice();
}
