// Watches the memory of sandbox hosts from outside, where a function cannot reach: V8's own limits are passed
// by gigabytes by some programs (one regular expression's copy, one huge array). A thread of its own, since
// both owners of a supervisor can be busy for longer than a host needs to eat a machine: in 20 ms a thread
// faults in about 48 MB.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "shared_memory.h"

namespace locus {

class MemoryWatch {
 public:
  /// `on_exceeded` comes on the watch's thread, once per `Watch`.
  explicit MemoryWatch(std::function<void(uint32_t host, int pid, uint64_t resident_bytes)> on_exceeded);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  /// From now on the host is this process. Replaces what was watched under that number.
  void Watch(uint32_t host, int pid, uint64_t limit_bytes);
  void SetLimit(uint32_t host, uint64_t limit_bytes);
  void Unwatch(uint32_t host);
  /// Whether invocations are in flight: then every 20 ms, else once a second.
  void SetBusy(bool busy) {
    if (busy_.exchange(busy, std::memory_order_relaxed) == busy || !busy) return;
    if (slow_.load(std::memory_order_relaxed)) wake_.notify_one();
  }
  /// As last seen; 0 before that.
  uint64_t resident_bytes(uint32_t host);

 private:
  struct Watched {
    uint32_t host = 0;
    int pid = 0;
    Descriptor statm;  ///< kept open: a read is one system call
    uint64_t limit_bytes = 0;
    uint64_t resident_bytes = 0;
    bool exceeded = false;
  };
  void Run();
  Watched* Find(uint32_t host);

  std::function<void(uint32_t, int, uint64_t)> on_exceeded_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Watched> watched_;
  std::atomic<bool> busy_{false};
  std::atomic<bool> slow_{false};
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace locus
