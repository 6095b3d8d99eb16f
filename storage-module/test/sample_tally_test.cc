#include "sample_tally.h"

#include <nlohmann/json.hpp>

#include "tests.h"

namespace {

using locus::Code;
using locus::SampleTally;
using Json = nlohmann::json;

Json Taken(SampleTally* tally) {
  std::string json = "{";
  tally->Take(&json);
  return Json::parse(json + "}");
}

void WhatIsTakenIsGone() {
  SampleTally tally;
  EXPECT(tally.empty());
  tally.Record("khop", "1", Code::kOk, {}, 1'000);
  EXPECT(!tally.empty() && Taken(&tally)["tallies"].size() == 1);
  EXPECT(tally.empty() && Taken(&tally)["tallies"].empty());
}

void ANewVersionBeginsAnew() {
  SampleTally tally;
  tally.Record("khop", "1", Code::kOk, {}, 1'000);
  tally.Record("khop", "2", Code::kOk, {}, 1'000);
  const Json tallies = Taken(&tally)["tallies"];
  EXPECT(tallies.size() == 1 && tallies[0]["version"] == "2" && tallies[0]["sums"][0] == 1);
}

void CallsThatFailSayNothingOfWhatTheirFunctionCosts() {
  SampleTally tally;
  locus::Usage usage;
  usage.wall_ns = 5'000;
  usage.isolate.cpu_ns = 4'000;
  tally.Record("khop", "1", Code::kOk, usage, 6'000);
  tally.Record("khop", "1", Code::FUNCTION_FAILED, usage, 6'000);
  tally.Record("khop", "1", Code::OVERLOADED, {}, 6'000, true);
  tally.Record("khop", "1", Code::ARGS_INVALID, {}, 6'000);
  const Json sums = Taken(&tally)["tallies"][0]["sums"];
  EXPECT(sums.size() == locus::kTallyTerms);
  EXPECT(sums[0] == 1 && sums[1] == 2 && sums[2] == 6 && sums[16] == 2 && sums[17] == 1);
}

void TheLeastRecentlyCalledFunctionsMakeRoom() {
  SampleTally tally;
  const auto call = [&tally](size_t i) { tally.Record("f" + std::to_string(i), "1", Code::kOk, {}, 1'000); };
  for (size_t i = 0; i < locus::kTalliedFunctionsMax; i++) call(i);
  call(0);
  call(locus::kTalliedFunctionsMax);
  const size_t left_out = locus::kTalliedFunctionsMax / 4;
  const Json taken = Taken(&tally);
  EXPECT(taken["untracked"] == left_out);
  EXPECT(taken["tallies"].size() == locus::kTalliedFunctionsMax - left_out + 1);
  bool found = false;
  for (const Json& one : taken["tallies"]) {
    EXPECT(one["function"] != "f1");
    if (one["function"] != "f0") continue;
    found = true;
    EXPECT(one["sums"][0] == 2);
  }
  EXPECT(found);
}

void AWindowLastsLongerTheMoreTalliesItHas() {
  SampleTally tally;
  const auto lasts_ms = [&tally] { return locus::SampleWindowNs(tally.size()) / 1'000'000; };
  const auto call = [&tally](size_t functions) {
    for (size_t i = 0; i < functions; i++)
      tally.Record("f" + std::to_string(i), "1", Code::kOk, {}, 1'000);
  };
  EXPECT(lasts_ms() == 25);
  call(100);
  call(100);
  EXPECT(lasts_ms() == 25);
  call(600);
  EXPECT(lasts_ms() == 150);
  call(4'000);
  EXPECT(lasts_ms() == 350);
}

void WhateverAHostSaysOfItselfIsANumber() {
  SampleTally tally;
  locus::Usage usage;
  usage.isolate = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
  for (int i = 0; i < 1'000; i++) tally.Record("liar", "1", Code::kOk, usage, INT64_MAX);
  tally.Record("liar", "1", Code::kOk, {}, INT64_MIN);
  const Json taken = Taken(&tally);
  for (const Json& sum : taken["tallies"][0]["sums"]) EXPECT(sum.is_number());
}

}  // namespace

void TestSampleTally() {
  WhatIsTakenIsGone();
  ANewVersionBeginsAnew();
  CallsThatFailSayNothingOfWhatTheirFunctionCosts();
  TheLeastRecentlyCalledFunctionsMakeRoom();
  AWindowLastsLongerTheMoreTalliesItHas();
  WhateverAHostSaysOfItselfIsANumber();
}
