#include "timers.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "bell.h"
#include "redis_api.h"

namespace locus {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

}  // namespace

bool Timers::Open() {
  descriptor_ = Descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  return descriptor_.valid() &&
         redis::EventLoopAdd(descriptor_.get(), redis::kEventLoopReadable, OnTime, this) == redis::kOk;
}

Timers::Id Timers::Set(int64_t at_ns, std::function<void()> then) {
  const Id id = {at_ns, ++numbers_};
  due_.emplace(id, std::move(then));
  Arm();
  return id;
}

void Timers::Arm() {
  if (due_.empty() || due_.begin()->first.first >= armed_ns_) return;
  armed_ns_ = due_.begin()->first.first;
  itimerspec at = {};
  // A time of 0 would mean none.
  const int64_t at_ns = std::max<int64_t>(armed_ns_, 1);
  at.it_value = {at_ns / kSecond, at_ns % kSecond};
  timerfd_settime(descriptor_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void Timers::OnTime(int fd, void* data, int) {
  auto& timers = *static_cast<Timers*>(data);
  uint64_t times = 0;
  [[maybe_unused]] const ssize_t bytes = read(fd, &times, sizeof times);
  // What is called here may set others: the first of them all is asked for in the end.
  timers.armed_ns_ = INT64_MIN;
  const int64_t now = NowNs();
  while (!timers.due_.empty() && timers.due_.begin()->first.first <= now) {
    // Taken out first: what it stops may be itself.
    const auto due = timers.due_.extract(timers.due_.begin());
    due.mapped()();
  }
  timers.armed_ns_ = INT64_MAX;
  timers.Arm();
}

}  // namespace locus
