#include "timers.h"

#include <poll.h>

#include <vector>

#include "bell.h"
#include "redis_api.h"
#include "tests.h"

namespace {

using locus::kMs;
using locus::NowNs;
using locus::Timers;

constexpr int64_t kHour = 3'600'000 * kMs;

/// Redis' event loop with one descriptor in it.
struct Loop {
  int fd = -1;
  locus::redis::EventLoopHandler handler = nullptr;
  void* data = nullptr;
};
Loop loop;

int Add(int fd, int, locus::redis::EventLoopHandler handler, void* data) {
  loop = {fd, handler, data};
  return locus::redis::kOk;
}

/// A pass of the loop. False when nothing came within ten seconds.
bool Pass(int timeout_ms = 10'000) {
  pollfd wait = {loop.fd, POLLIN, 0};
  if (poll(&wait, 1, timeout_ms) != 1) return false;
  loop.handler(loop.fd, loop.data, locus::redis::kEventLoopReadable);
  return true;
}

void TheyComeInTheOrderOfTheirTimes() {
  Timers timers;
  EXPECT(timers.Open());
  std::vector<int> came;
  const int64_t now = NowNs();
  timers.Set(now + 3 * kMs, [&] { came.push_back(3); });
  timers.Set(now + kHour, [&] { came.push_back(4); });
  timers.Set(now + kMs, [&] { came.push_back(1); });
  timers.Set(now + kMs, [&] { came.push_back(2); });
  while (came.size() < 3 && Pass()) {
  }
  EXPECT((came == std::vector<int>{1, 2, 3}));
  EXPECT(NowNs() >= now + 3 * kMs);
}

void WhatIsStoppedDoesNotCome() {
  Timers timers;
  EXPECT(timers.Open());
  std::vector<int> came;
  const int64_t now = NowNs();
  const Timers::Id stopped = timers.Set(now + kMs, [&] { came.push_back(1); });
  timers.Set(now + 5 * kMs, [&] { came.push_back(2); });
  timers.Stop(stopped);
  timers.Stop({});
  while (came.empty() && Pass()) {
  }
  EXPECT(came == std::vector<int>{2});
  timers.Stop(stopped);
}

void OneThatComesMaySetAndStopOthers() {
  Timers timers;
  EXPECT(timers.Open());
  std::vector<int> came;
  const int64_t now = NowNs();
  Timers::Id other;
  Timers::Id itself;
  itself = timers.Set(0, [&] {
    came.push_back(1);
    timers.Stop(itself);
    timers.Stop(other);
    timers.Set(now + 2 * kMs, [&] { came.push_back(2); });
  });
  other = timers.Set(1, [&] { came.push_back(3); });
  while (came.size() < 2 && Pass()) {
  }
  EXPECT((came == std::vector<int>{1, 2}));
  // With none left, nothing more comes.
  EXPECT(!Pass(0));
}

}  // namespace

void TestTimers() {
  locus::redis::EventLoopAdd = Add;
  TheyComeInTheOrderOfTheirTimes();
  WhatIsStoppedDoesNotCome();
  OneThatComesMaySetAndStopOthers();
}
