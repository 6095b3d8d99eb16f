// A supervisor in the middle of threads that call, cancel and ask for its state, with a host that is another
// process (the program that is named first) and dies now and then: every call is answered exactly once. The
// owner serves operations as the keyspace service does. For ThreadSanitizer, and for AddressSanitizer.
#include <unistd.h>

#include <atomic>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "expect.h"
#include "owner.h"

namespace {

using locus::Call;
using locus::Code;
using locus::ImageOf;
using locus::OptionsOf;
using locus::Outcome;
using locus::Own;
using locus::Supervisor;

constexpr int kCallers = 4;
constexpr int kCallsEach = 150;

struct Tally {
  std::atomic<int> submitted{0}, answered{0}, twice{0};
};

const char* ArgsOf(uint32_t number) {
  switch (number % 40) {
    case 7:
      return R"({"exit":1})";
    case 13:
      return R"({"raw":[{"kind":99}]})";
    case 21:
      return R"({"sleepMs":5})";
    default:
      return number % 2 == 0 ? R"({"rounds":[[["GET","a"],["GET","b"]]],"repeat":5})" : "1";
  }
}

void CallAndCancel(Supervisor& supervisor, uint32_t caller, Tally& tally) {
  std::minstd_rand random(caller + 1);
  const auto image = ImageOf("v" + std::to_string(caller % 2));
  for (int i = 0; i < kCallsEach; i++) {
    Call call;
    call.image = image;
    call.keys = {"key"};
    call.args = ArgsOf(random());
    call.deadline_ns = locus::NowNs() + 20'000'000'000;
    call.logs = true;
    auto answers = std::make_shared<std::atomic<int>>(0);
    call.done = [&tally, answers](Outcome&&) {
      if (answers->fetch_add(1) > 0) tally.twice++;
      tally.answered++;
    };
    const uint64_t id = supervisor.Submit(std::move(call));
    if (id == 0) {
      usleep(1000);
      continue;
    }
    tally.submitted++;
    if (random() % 8 == 0) supervisor.Cancel(id);
    while (random() % 4 != 0 && answers->load() == 0) usleep(100);
  }
}

/// A function that has never done wrong, called again while hosts are down.
bool StillServes(Supervisor& supervisor) {
  const auto image = ImageOf("good");
  const int64_t deadline_ns = locus::NowNs() + 20'000'000'000;
  while (locus::NowNs() < deadline_ns) {
    Call call;
    call.image = image;
    call.args = "1";
    call.deadline_ns = deadline_ns;
    auto answer = std::make_shared<std::promise<Code>>();
    call.done = [answer](Outcome&& outcome) { answer->set_value(outcome.code); };
    if (supervisor.Submit(std::move(call)) != 0 && answer->get_future().get() == Code::kOk) return true;
    usleep(1000);
  }
  return false;
}

void EveryCallIsAnsweredOnce(const char* host) {
  Tally tally;
  std::atomic<bool> over{false};
  Supervisor supervisor(OptionsOf(host));
  std::thread owner([&] { Own(supervisor, over); });
  std::vector<std::thread> callers;
  for (uint32_t caller = 0; caller < kCallers; caller++)
    callers.emplace_back([&, caller] { CallAndCancel(supervisor, caller, tally); });
  std::atomic<int> checked{0};
  std::thread watcher([&] {
    for (int i = 0; i < 50; i++) {
      supervisor.host_states();
      supervisor.counters();
      supervisor.quarantined();
      if (i % 10 == 0) supervisor.Check("script", [&](locus::CheckResult&&) { checked++; });
      usleep(2000);
    }
  });
  for (std::thread& caller : callers) caller.join();
  watcher.join();
  EXPECT(StillServes(supervisor));
  // Some are still on their way when it ends.
  CallAndCancel(supervisor, kCallers, tally);
  over.store(true);
  owner.join();
  EXPECT(tally.answered == tally.submitted);
  EXPECT(tally.twice == 0);
  EXPECT(checked == 5);
  EXPECT(supervisor.counters().deaths > 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  EveryCallIsAnsweredOnce(argv[1]);
  return failures == 0 ? 0 : 1;
}
