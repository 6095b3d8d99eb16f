// What the module does at a later time, on Redis' main thread. Timers of Redis' own API go by the machine's
// wall clock: when that is set back by an hour, each comes an hour late. These go by NowNs(), as all else
// does here that is reckoned in time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "shared_memory.h"

namespace locus {

/// Main thread only.
class Timers {
 public:
  /// When it comes, and a number, which no other has.
  using Id = std::pair<int64_t, uint64_t>;

  /// False when the machine has no descriptor for it, or Redis' event loop no place.
  bool Open();
  /// Calls `then` once, at `at_ns` (NowNs() clock) or soon after, from the event loop. It may set and stop
  /// others.
  Id Set(int64_t at_ns, std::function<void()> then);
  /// One that has come, or that never was, is no error.
  void Stop(const Id& id) { due_.erase(id); }

 private:
  static void OnTime(int fd, void* timers, int mask);
  /// Asks the kernel for the first one. What is stopped is not taken back: one time too early finds nothing
  /// and asks again, and most timers are stopped.
  void Arm();

  Descriptor descriptor_;
  std::map<Id, std::function<void()>> due_;
  uint64_t numbers_ = 0;
  int64_t armed_ns_ = INT64_MAX;
};

}  // namespace locus
