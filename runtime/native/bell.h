// Waking the other process without a system call when it is awake.
//
// A sleeper announces how it sleeps, looks once more, and sleeps; a ringer that sees the announcement takes
// it away and wakes the sleeper. Both sides use sequentially consistent operations, so either the sleeper's
// second look sees what the ringer wrote before ringing, or the ringer sees the announcement.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <span>

namespace locus {

enum class Sleep : uint32_t {
  kAwake = 0,
  kOnFutex = 1,       ///< on the word itself
  kOnDescriptor = 2,  ///< in poll, with one of the bells' eventfds among what it polls
};
/// Bits of the word that say how; those above them are the number of the eventfd.
constexpr uint32_t kSleepBits = 2;

struct BellWord {
  alignas(64) std::atomic<uint32_t> sleep;
};

/// A millisecond, in ns.
constexpr int64_t kMs = 1'000'000;

/// CLOCK_MONOTONIC, ns: the same clock in every process of the machine.
inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// CPU time of the thread that asks, ns.
inline int64_t ThreadCpuNs() {
  timespec used = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

/// The ringer's half. `eventfds`: where a sleeper may sleep in poll, by their numbers; none where it never does. What
/// stands in the word is not trusted. True when somebody slept.
inline bool Ring(BellWord* bell, std::span<const int> eventfds) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (bell->sleep.load(std::memory_order_relaxed) == static_cast<uint32_t>(Sleep::kAwake)) return false;
  const uint32_t said = bell->sleep.exchange(static_cast<uint32_t>(Sleep::kAwake));
  const auto how = static_cast<Sleep>(said & ((1u << kSleepBits) - 1));
  const uint32_t number = said >> kSleepBits;
  if (how == Sleep::kOnFutex) {
    syscall(SYS_futex, &bell->sleep, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  } else if (how == Sleep::kOnDescriptor && number < eventfds.size()) {
    const uint64_t one = 1;
    // Cannot block in earnest: the counter would have to reach 2^64 - 2.
    [[maybe_unused]] const ssize_t written = write(eventfds[number], &one, sizeof one);
  }
  return how != Sleep::kAwake;
}

/// The sleeper's announcement. After it, look for work once more; then sleep, or `CancelSleep`. `number`: of the
/// eventfd that it polls.
inline void AnnounceSleep(BellWord* bell, Sleep how, uint32_t number = 0) {
  bell->sleep.store(static_cast<uint32_t>(how) | number << kSleepBits);
  // The second look's own loads may be weaker than this store.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void CancelSleep(BellWord* bell) {
  bell->sleep.store(static_cast<uint32_t>(Sleep::kAwake));
}

/// Sleeps on the futex until rung or `until_ns` (absolute, CLOCK_MONOTONIC; INT64_MAX: for ever).
inline void SleepOnFutex(BellWord* bell, int64_t until_ns) {
  timespec until = {until_ns / 1'000'000'000, until_ns % 1'000'000'000};
  // FUTEX_WAIT_BITSET takes an absolute time; FUTEX_WAIT a relative one.
  syscall(SYS_futex, &bell->sleep, FUTEX_WAIT_BITSET, static_cast<uint32_t>(Sleep::kOnFutex),
          until_ns == INT64_MAX ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  CancelSleep(bell);
}

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace locus
