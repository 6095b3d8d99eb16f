// Isolates that are kept: how many a function has, whatever calls ask for, other functions need and hosts do
// that die or lie. With a host that is another process (the program that is named first).
#include <signal.h>
#include <unistd.h>

#include <future>
#include <map>
#include <thread>
#include <vector>

#include "expect.h"
#include "owner.h"
#include "recent_most.h"
#include "supervisor_bounds.h"

namespace {

using locus::Call;
using locus::Code;
using locus::ImageOf;
using locus::IsolateBounds;
using locus::Outcome;
using locus::Supervisor;

using Image = std::shared_ptr<locus::FunctionImage>;

constexpr uint32_t kLanes = 3;
constexpr uint32_t kSpread = 2;
constexpr int64_t kPatienceNs = 30'000'000'000;
/// A call that takes a while without holding a core.
constexpr const char* kRounds = R"({"rounds":[[["GET","a"]]],"repeat":40})";

/// A supervisor with an owner, for as long as it lives.
class Owned {
 public:
  explicit Owned(const char* host) : supervisor(With(host)), owner_([this] { Own(supervisor, over_); }) {}
  ~Owned() {
    over_.store(true);
    owner_.join();
  }

  std::future<Code> Submit(const Image& image, const std::string& args) {
    auto answer = std::make_shared<std::promise<Code>>();
    std::future<Code> code = answer->get_future();
    Call call = CallOf(image, args);
    call.done = [answer](Outcome&& outcome) { answer->set_value(outcome.code); };
    if (supervisor.Submit(std::move(call)) == 0) answer->set_value(Code::OVERLOADED);
    return code;
  }
  Code Run(const Image& image, const std::string& args = "1") { return Submit(image, args).get(); }
  /// Whether the call had to wait for an isolate that was opened for it.
  bool RunOpens(const Image& image) {
    std::promise<bool> answer;
    Call call = CallOf(image, "1");
    call.done = [&](Outcome&& outcome) { answer.set_value(outcome.usage.start_ns > 0); };
    EXPECT(supervisor.Submit(std::move(call)) != 0);
    return answer.get_future().get();
  }
  std::future<Code> Wish(const Image& image, IsolateBounds bounds) {
    auto answer = std::make_shared<std::promise<Code>>();
    supervisor.Keep(image, bounds, [answer](locus::KeepResult&& result) { answer->set_value(result.code); });
    return answer->get_future();
  }
  Code Keep(const Image& image, IsolateBounds bounds) { return Wish(image, bounds).get(); }

  Supervisor::FunctionState StateOf(const Image& image) {
    for (Supervisor::FunctionState& state : supervisor.function_states()) {
      if (state.version == image->version) return state;
    }
    return {};
  }
  uint32_t IsolatesOf(const Image& image) { return StateOf(image).isolates; }
  template <typename F>
  bool Until(F&& condition) {
    for (const int64_t until = locus::NowNs() + kPatienceNs; locus::NowNs() < until; usleep(1000)) {
      if (condition()) return true;
    }
    return false;
  }

  Supervisor supervisor;

 private:
  static Call CallOf(const Image& image, const std::string& args) {
    Call call;
    call.image = image;
    call.args = args;
    call.deadline_ns = locus::NowNs() + kPatienceNs;
    return call;
  }
  static locus::SupervisorOptions With(const char* host) {
    locus::SupervisorOptions options = locus::OptionsOf(host);
    options.isolates_max = kLanes;
    options.spread = kSpread;
    return options;
  }

  std::atomic<bool> over_{false};
  std::thread owner_;
};

void KeptIsolatesAreThereBeforeCallsAndAfterDeaths(const char* host) {
  Owned owned(host);
  const Image kept = ImageOf("kept");
  EXPECT(owned.Keep(kept, {.min = 2}) == Code::kOk);
  EXPECT(owned.IsolatesOf(kept) == 2);
  // One lane is left, and others have it in turn.
  for (const char* other : {"a", "b", "c", "a", "b"}) {
    EXPECT(owned.Run(ImageOf(other)) == Code::kOk);
    EXPECT(owned.IsolatesOf(kept) == 2);
  }
  const uint64_t used_us = owned.supervisor.cpu_us();
  EXPECT(used_us > 0);
  kill(owned.supervisor.host_states().at(0).pid, SIGKILL);
  EXPECT(owned.Until([&] { return owned.supervisor.counters().deaths == 1; }));
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == 2; }));
  // What the host that is gone has used still counts.
  const uint64_t used_since_us = owned.supervisor.host_states().at(0).cpu_us;
  EXPECT(owned.supervisor.cpu_us() - used_since_us >= used_us);
  EXPECT(owned.Keep(kept, {.min = 1}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == 1; }));
  // Nobody keeps it any more: it stays until others need its lane.
  EXPECT(owned.Keep(kept, {}) == Code::kOk);
  EXPECT(owned.IsolatesOf(kept) == 1);
  for (const char* other : {"a", "b", "c", "d"}) EXPECT(owned.Run(ImageOf(other)) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == 0; }));
  EXPECT(owned.Run(kept) == Code::kOk);
}

void AFunctionInQuarantineIsKeptThereAndComesBack(const char* host) {
  Owned owned(host);
  const Image kept = ImageOf("kept");
  EXPECT(owned.Keep(kept, {.min = 1}) == Code::kOk);
  // The scripted host marks no turn: whoever is past his deadline is to blame.
  Call call;
  call.image = kept;
  call.args = R"({"mute":true})";
  call.deadline_ns = locus::NowNs() + 10'000'000;
  call.done = [](Outcome&&) {};
  owned.supervisor.Submit(std::move(call));
  EXPECT(owned.Until([&] { return owned.supervisor.quarantined().size() == 1; }));
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == 1; }));
  EXPECT(owned.Until([&] { return owned.supervisor.host_states().at(1).isolates == 1; }));
  for (int i = 0; i < 110; i++) EXPECT(owned.Run(kept) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.supervisor.quarantined().empty(); }));
  EXPECT(owned.Until([&] { return owned.supervisor.host_states().at(0).isolates == 1; }));
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == 1; }));
}

void NoFunctionWaitsForLanesThatAreAllKept(const char* host) {
  Owned owned(host);
  const Image kept = ImageOf("kept");
  EXPECT(owned.Keep(kept, {.min = kLanes}) == Code::kOk);
  EXPECT(owned.Run(ImageOf("other")) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == kLanes; }));
  EXPECT(owned.Run(kept) == Code::kOk);
}

void KeptIsolatesWaitForRoomAsLongAsItTakes(const char* host) {
  Owned owned(host);
  const Image kept = ImageOf("kept");
  EXPECT(owned.Keep(kept, {.min = kLanes}) == Code::kOk);
  std::promise<Code> answer;
  Call busy;
  busy.image = ImageOf("other");
  busy.args = R"({"awaits":"never"})";
  busy.deadline_ns = locus::NowNs() + kPatienceNs;
  busy.done = [&](Outcome&& outcome) { answer.set_value(outcome.code); };
  const uint64_t id = owned.supervisor.Submit(std::move(busy));
  EXPECT(owned.Until([&] { return owned.IsolatesOf(ImageOf("other")) == 1; }));
  EXPECT(owned.IsolatesOf(kept) == kLanes - 1);
  // It is busy when room is looked for, and long after.
  const int64_t since = locus::NowNs();
  EXPECT(owned.Until([&] { return locus::NowNs() - since > locus::kReopenPauseNs * 3 / 2; }));
  EXPECT(owned.supervisor.Cancel(id));
  EXPECT(answer.get_future().get() == Code::CANCELLED);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(kept) == kLanes; }));
}

void WhatHasNoRoomIsTold(const char* host) {
  Owned owned(host);
  const Image one = ImageOf("one"), two = ImageOf("two");
  EXPECT(owned.Keep(one, {.min = kLanes + 1}) == Code::OVERLOADED);
  EXPECT(owned.IsolatesOf(one) == 0);
  EXPECT(owned.Keep(one, {.min = 2}) == Code::kOk);
  EXPECT(owned.Keep(two, {.min = 1}) == Code::kOk);
  EXPECT(owned.Keep(two, {.min = 2}) == Code::OVERLOADED);
  EXPECT(owned.IsolatesOf(two) == 1);
  // There is room when the other one is let go.
  EXPECT(owned.Keep(one, {}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(two) == 2; }));
}

void WhatCannotBeLoadedIsTold(const char* host) {
  Owned owned(host);
  EXPECT(owned.Keep(ImageOf("late", "late"), {.min = 1}) == Code::FUNCTION_INVALID);
  EXPECT(owned.Keep(ImageOf("deadly", "deadly"), {.min = 1}) == Code::SANDBOX_DIED);
  // One that says that an isolate has gone which it has not opened.
  EXPECT(owned.Keep(ImageOf("gone", "gone"), {.min = 1}) == Code::SANDBOX_DIED);
  // It is not tried again and again at the cost of others.
  EXPECT(owned.Run(ImageOf("good")) == Code::kOk);
  const uint64_t deaths = owned.supervisor.counters().deaths;
  for (int i = 0; i < 100; i++) EXPECT(owned.Run(ImageOf("good")) == Code::kOk);
  EXPECT(owned.supervisor.counters().deaths == deaths);
}

/// Calls of one function, one after the other on several threads, as long as it lives.
class Load {
 public:
  Load(Owned& owned, const Image& image) {
    for (int i = 0; i < 6; i++) {
      threads_.emplace_back([&, image] {
        while (!over_.load()) {
          if (owned.Run(image, kRounds) != Code::kOk) failed_++;
        }
      });
    }
  }
  ~Load() {
    over_.store(true);
    for (std::thread& thread : threads_) thread.join();
    EXPECT(failed_ == 0);
  }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> failed_{0};
  std::vector<std::thread> threads_;
};

void BoundsHoldAndChangeUnderCalls(const char* host) {
  Owned owned(host);
  const Image image = ImageOf("bound");
  EXPECT(owned.Keep(image, {.min = 0, .max = 1}) == Code::kOk);
  const Load load(owned, image);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == 1; }));
  const auto never_more_than = [&](uint32_t most) {
    for (int i = 0; i < 200; i++) {
      EXPECT(owned.supervisor.host_states().at(0).isolates <= most);
      usleep(500);
    }
  };
  never_more_than(1);
  EXPECT(owned.Keep(image, {.min = 0, .max = kSpread + 1}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == kSpread; }));
  never_more_than(kSpread);
  EXPECT(owned.Keep(image, {.min = kSpread + 1, .max = kSpread + 1}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == kSpread + 1; }));
  EXPECT(owned.Keep(image, {.min = 1, .max = 1}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.supervisor.host_states().at(0).isolates == 1; }));
  EXPECT(owned.Keep(image, {}) == Code::kOk);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == kSpread; }));
}

/// All versions of `ImageOf` are one function's.
uint32_t OpenOf(Owned& owned) {
  const Supervisor::Loads loads = owned.supervisor.loads();
  const auto load = loads.find("script");
  return load == loads.end() ? 0 : load->second.isolates;
}

void LimitsHoldForAFunctionsVersionsTogetherUntilTheyEnd(const char* host) {
  Owned owned(host);
  const Image image = ImageOf("old");
  const auto limit = [&](uint32_t most, int64_t ns) {
    owned.supervisor.Limit({{"script", most}}, locus::NowNs() + ns);
  };
  limit(1, kPatienceNs);
  {
    const Load load(owned, image);
    EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == 1; }));
    for (int i = 0; i < 200; i++) {
      EXPECT(OpenOf(owned) <= 1);
      usleep(500);
    }
    owned.supervisor.Limit({}, 0);
    EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == kSpread; }));
    // Busy ones go when they are done.
    limit(1, kPatienceNs);
    EXPECT(owned.Until([&] { return OpenOf(owned) == 1; }));
    // What is said ends by itself, though nothing else happens than what happened before.
    limit(1, 50'000'000);
    EXPECT(owned.Until([&] { return owned.IsolatesOf(image) == kSpread; }));
    // More than are worth starting are not.
    limit(kLanes, kPatienceNs);
    for (int i = 0; i < 100; i++) {
      EXPECT(OpenOf(owned) <= kSpread);
      usleep(500);
    }
  }
  limit(1, kPatienceNs);
  EXPECT(owned.Until([&] { return OpenOf(owned) == 1; }));
  // Another version has its own at once, and the one without calls closes for it.
  EXPECT(owned.Run(ImageOf("young")) == Code::kOk);
  EXPECT(owned.Until([&] { return OpenOf(owned) == 1; }));
  EXPECT(owned.IsolatesOf(ImageOf("young")) == 1);
  // What is tried has nothing in common with it.
  const Image tried = ImageOf("tried");
  tried->tried = true;
  const Load load(owned, tried);
  EXPECT(owned.Until([&] { return owned.IsolatesOf(tried) == kSpread; }));
  EXPECT(OpenOf(owned) == 1);
}

void VersionsThatAreCalledInTurnKeepTheirIsolates(const char* host) {
  Owned owned(host);
  const Image old = ImageOf("old"), young = ImageOf("young");
  constexpr int kCalls = 20;
  int opened = 0;
  for (int i = 0; i < kCalls; i++) {
    // Said again and again, as whoever divides does.
    owned.supervisor.Limit({{"script", 1}}, locus::NowNs() + kPatienceNs);
    for (const Image& image : {old, young}) opened += owned.RunOpens(image) ? 1 : 0;
  }
  // The first of each; and of a machine that stands still for a second now and then, some more.
  EXPECT(opened >= 2);
  EXPECT(opened <= kCalls / 2);
  // The one that has no calls any more goes.
  EXPECT(owned.Until([&] { return owned.Run(young) == Code::kOk && owned.IsolatesOf(old) == 0; }));
  EXPECT(owned.IsolatesOf(young) == 1);
}

void WhoWaitsForAnIsolateIsCounted(const char* host) {
  Owned owned(host);
  const Image image = ImageOf("loaded");
  image->limits.concurrency = 2;
  owned.supervisor.Limit({{"script", 1}}, locus::NowNs() + kPatienceNs);
  std::vector<std::future<Code>> codes;
  for (int i = 0; i < 5; i++) codes.push_back(owned.Submit(image, R"({"awaits":"never"})"));
  EXPECT(owned.Until([&] {
    const Supervisor::Loads loads = owned.supervisor.loads();
    const auto load = loads.find("script");
    return load != loads.end() && load->second.isolates == 1 && load->second.busy == 1 &&
           load->second.waiting == 4 && load->second.isolates_max == 1;
  }));
  owned.supervisor.Limit({}, 0);
  EXPECT(owned.Until([&] { return OpenOf(owned) == kSpread; }));
}

void MemoryThatCannotBeIsNotBelieved(const char* host) {
  Owned owned(host);
  const Image image = ImageOf("liar");
  EXPECT(owned.Run(image, R"({"word":{"name":"memory_bytes","value":20971520}})") == Code::kOk);
  EXPECT(owned.StateOf(image).memory_bytes == 20 << 20);
  EXPECT(owned.Run(image, R"({"word":{"name":"memory_bytes","value":18446744073709551615}})") == Code::kOk);
  EXPECT(owned.StateOf(image).memory_bytes == uint64_t{64 + 24} << 20);
  EXPECT(owned.Run(image, R"({"word":{"name":"memory_bytes","value":0}})") == Code::kOk);
  // The most of late.
  EXPECT(owned.StateOf(image).memory_bytes == uint64_t{64 + 24} << 20);
}

void TheMostOfLateIsForgottenAfterTwoStretches() {
  constexpr int64_t kStretch = locus::RecentMost::kStretchNs;
  locus::RecentMost most;
  most.Note(5, 100 * kStretch);
  most.Note(3, 100 * kStretch + 1);
  EXPECT(most.At(101 * kStretch - 1) == 5);
  EXPECT(most.At(101 * kStretch) == 5);
  most.Note(4, 101 * kStretch + 1);
  EXPECT(most.At(102 * kStretch) == 4);
  EXPECT(most.At(104 * kStretch) == 0);
}

void BoundsHoldHoweverManyWait(const char* host) {
  constexpr auto kMost = static_cast<int>(locus::kWishesMax);
  // Nobody polls: what is asked for waits.
  Supervisor supervisor(locus::OptionsOf(host));
  const Image image = ImageOf("wanted");
  std::map<Code, int> answers;
  const auto keep = [&](IsolateBounds bounds) {
    supervisor.Keep(image, bounds, [&answers](locus::KeepResult&& result) { answers[result.code]++; });
  };
  for (int i = 0; i < kMost; i++) keep({.min = 3});
  // One more cannot wait; what it said holds nevertheless.
  keep({.min = 2});
  EXPECT(supervisor.function_states().at(0).bounds.min == 2);
  // One that need not wait, and the others neither then.
  keep({});
  EXPECT(supervisor.function_states().empty());
  supervisor.Poll();
  EXPECT((answers == std::map<Code, int>{{Code::OVERLOADED, 1}, {Code::kOk, kMost + 1}}));
  supervisor.Close(Code::SIDE_UNAVAILABLE, "over");
}

/// What so many calls that are in one isolate at once are counted with, when each takes a ms or more and says
/// of itself that it computed for `told_ns`.
uint64_t CpuNsOf(Owned& owned, const Image& image, int calls, const std::string& told_ns) {
  image->limits.concurrency = static_cast<uint32_t>(calls);
  EXPECT(owned.Keep(image, {.min = 1, .max = 1}) == Code::kOk);
  std::vector<std::future<Code>> codes;
  for (int i = 0; i < calls; i++)
    codes.push_back(owned.Submit(image, R"({"repeat":0,"computes":{"ns":1000000,"tells":)" + told_ns + "}}"));
  for (std::future<Code>& code : codes) EXPECT(code.get() == Code::kOk);
  // The caller has the last outcome a moment before it is counted.
  EXPECT(owned.Until([&] { return owned.supervisor.in_flight() == 0; }));
  return owned.StateOf(image).cpu_ns;
}

void CallsAtOnceHaveNotComputedForLongerThanTheirIsolateHadThem(const char* host) {
  constexpr int kCalls = 16;
  Owned owned(host);
  EXPECT(CpuNsOf(owned, ImageOf("honest"), kCalls, "1000000") == kCalls * 1'000'000);
  const int64_t since = locus::NowNs();
  const uint64_t counted = CpuNsOf(owned, ImageOf("liar"), kCalls, "18446744073709551615");
  EXPECT(counted >= kCalls * 1'000'000);
  EXPECT(counted <= static_cast<uint64_t>(locus::NowNs() - since));
}

void WishesAreAnsweredWhenItCloses(const char* host) {
  std::future<Code> wish;
  {
    Owned owned(host);
    wish = owned.Wish(ImageOf("kept"), {.min = 1});
  }
  const Code code = wish.get();
  EXPECT(code == Code::kOk || code == Code::SIDE_UNAVAILABLE);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  TheMostOfLateIsForgottenAfterTwoStretches();
  KeptIsolatesAreThereBeforeCallsAndAfterDeaths(argv[1]);
  AFunctionInQuarantineIsKeptThereAndComesBack(argv[1]);
  NoFunctionWaitsForLanesThatAreAllKept(argv[1]);
  KeptIsolatesWaitForRoomAsLongAsItTakes(argv[1]);
  WhatHasNoRoomIsTold(argv[1]);
  WhatCannotBeLoadedIsTold(argv[1]);
  BoundsHoldAndChangeUnderCalls(argv[1]);
  LimitsHoldForAFunctionsVersionsTogetherUntilTheyEnd(argv[1]);
  VersionsThatAreCalledInTurnKeepTheirIsolates(argv[1]);
  WhoWaitsForAnIsolateIsCounted(argv[1]);
  MemoryThatCannotBeIsNotBelieved(argv[1]);
  BoundsHoldHoweverManyWait(argv[1]);
  CallsAtOnceHaveNotComputedForLongerThanTheirIsolateHadThem(argv[1]);
  WishesAreAnsweredWhenItCloses(argv[1]);
  return failures == 0 ? 0 : 1;
}
