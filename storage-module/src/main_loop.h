// Redis' main thread as the keyspace service sees it: when it finishes a pass of its event loop, and how much
// work that pass was. And a way to have a pass happen when it sleeps. One per process: Redis' callbacks carry
// no state.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "redis_api.h"
#include "shared_memory.h"

namespace locus {

class MainLoop {
 public:
  /// `on_pass(work_ns)`: on the main thread with the global lock, near the end of each watched pass, before
  /// what was written goes to the AOF, to replicas and to clients. It tells whether it did work of its own,
  /// which is then not counted as the main thread's. `on_any_pass`: before it, of every pass, watched or not.
  bool Start(RedisModuleCtx* context, std::function<bool(int64_t work_ns)> on_pass,
             std::function<void()> on_any_pass);

  /// From any thread: passes are of interest for a while from now. Otherwise they cost the main thread
  /// nothing but two calls of a hook that is as good as empty.
  void Watch(int64_t now) { watched_until_ns_.store(now + kWatchNs, std::memory_order_relaxed); }
  /// From any thread: has a pass happen, soon, even if no client wants anything, and watches it.
  void RequestPass();

 private:
  static constexpr int64_t kWatchNs = 100'000'000;

  static void OnEvent(RedisModuleCtx*, redis::ServerEvent, uint64_t subevent, void*);
  static void OnRequest(int fd, void*, int mask);
  void OnPass();

  std::function<bool(int64_t)> on_pass_;
  std::function<void()> on_any_pass_;
  Descriptor request_;
  std::atomic<bool> requested_{false};
  std::atomic<int64_t> watched_until_ns_{0};
  /// The main thread's CPU time at the end of the pass before; 0 when that was not watched.
  int64_t cpu_ns_ = 0;
};

}  // namespace locus
