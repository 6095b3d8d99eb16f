// A supervisor in the middle of threads that call, cancel and ask for its state, with a host that is another
// process (the program that is named first) and dies now and then: every call is answered exactly once. The
// owner serves operations as the keyspace service does. For ThreadSanitizer, and for AddressSanitizer.
#include "supervisor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "expect.h"
#include "frames.h"

namespace {

using locus::Call;
using locus::Code;
using locus::Frame;
using locus::HostLane;
using locus::Outcome;
using locus::Supervisor;

constexpr int kCallers = 4;
constexpr int kCallsEach = 150;

locus::SupervisorOptions OptionsOf(const char* host) {
  locus::SupervisorOptions options;
  options.command.launcher_path = host;
  options.isolates_max = 4;
  options.queue_length_max = 64;
  options.operation_rings = true;
  options.writes_are_tracked = true;
  options.on_log = [](std::string_view, std::string_view, uint64_t) {};
  return options;
}

/// Answers each operation of a round with its number.
void Serve(Supervisor& supervisor) {
  supervisor.ForEachReadyOperations([&](locus::Place place, HostLane& lane) {
    Frame frame;
    while (lane.operations.Read(&frame)) {
      locus::RoundHeader header;
      std::string_view commands = frame.payload;
      const bool torn = !locus::TakeRoundHeader(&commands, &header) || header.count > 1000;
      std::string replies;
      if (!torn) {
        replies.append(reinterpret_cast<const char*>(&header), sizeof header);
        for (uint32_t i = 0; i < header.count; i++) replies += ":" + std::to_string(i) + "\r\n";
      }
      const uint64_t id = frame.id;
      lane.operations.Release();
      if (torn) return supervisor.CondemnHost(place.host, "sent a torn round");
      if (supervisor.FindInFlight(id, place) != nullptr)
        lane.replies.Write(static_cast<uint16_t>(locus::Operations::kReplies), id, replies);
    }
    lane.replies.Flush();
    lane.Ring();
  });
}

/// The owner's thread, as a node and the module have it.
void Own(Supervisor& supervisor, const std::atomic<bool>& over) {
  while (!over.load()) {
    const bool worked = supervisor.Poll();
    Serve(supervisor);
    int64_t next_ns = 0;
    if (worked || !supervisor.PrepareSleep(&next_ns)) continue;
    pollfd waits = {supervisor.descriptor(), POLLIN, 0};
    poll(&waits, 1, 5);
    supervisor.CancelSleep();
  }
  supervisor.Close(Code::SIDE_UNAVAILABLE, "over");
}

struct Tally {
  std::atomic<int> submitted{0}, answered{0}, twice{0};
};

std::shared_ptr<locus::FunctionImage> ImageOf(const std::string& version) {
  auto image = std::make_shared<locus::FunctionImage>();
  image->name = "script";
  image->version = version;
  image->bundle = "script";
  image->limits.concurrency = 1;
  return image;
}

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
