// The sandbox host's own state: one per process. The memory file, the lanes, what all isolates share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "channel.h"
#include "lane.h"
#include "read_cache.h"

namespace locus {

class ConnectionPool;
class GuestLoop;

/// Programs of ours that isolates run besides the user's bundle; set once before the first isolate.
struct GuestSources {
  std::string auxiliary;  ///< schemas and stack mapping, in a context of its own
  /// V8's code for it, made once by an isolate that ran nothing else; empty before that. Set before `warmed`.
  std::string auxiliary_code;
  std::atomic<bool> warmed{false};
  std::string url;  ///< URL and URLSearchParams, compiled at first use
};

class Host {
 public:
  /// The process' host; attached once.
  static Host& Get();

  /// Maps the memory file. Empty on success, else what is wrong with it.
  /// `lane_bells`: for isolates that sleep in poll, one for each connection.
  std::string Attach(int memory_fd, int supervisor_bell, std::vector<int> lane_bells);

  HostHeader* header() const { return header_; }
  const HostLayout& layout() const { return layout_; }
  int memory_fd() const { return memory_fd_; }
  int supervisor_bell() const { return supervisor_bell_; }
  std::span<const int> lane_bells() const { return lane_bells_; }
  /// Null where there is none.
  const ReadCacheView* read_cache() const { return read_cache_.attached() ? &read_cache_ : nullptr; }
  ConnectionPool* connections() const { return connections_; }
  void set_connections(ConnectionPool* pool) { connections_ = pool; }

  GuestSources& sources() { return sources_; }

  /// Tells the supervisor that lane `lane` has something for it.
  void Announce(uint32_t lane) {
    header_->outcome_ready.Mark(lane);
    Ring(&header_->supervisor_bell, {&supervisor_bell_, 1});
  }

  /// Loops that are on a core now, counted so that no more spin than there are cores to spare.
  std::atomic<int32_t> awake{0};

  // The watchdog: a thread that ends turns past their deadline. It ticks only while invocations are in
  // flight.
  void Watch(GuestLoop* loop);
  void Unwatch(GuestLoop* loop);
  /// An invocation has begun: wakes the watchdog if it sleeps.
  void NoteActivity() {
    if (!watchdog_ticking_.load(std::memory_order_relaxed)) WakeWatchdog();
  }
  std::atomic<int32_t> active_invocations{0};

 private:
  void WakeWatchdog();
  void RunWatchdog();

  HostLayout layout_;
  HostHeader* header_ = nullptr;
  Mapping memory_;
  int memory_fd_ = -1;
  int supervisor_bell_ = -1;
  std::vector<int> lane_bells_;
  ReadCacheView read_cache_;
  ConnectionPool* connections_ = nullptr;
  GuestSources sources_;
  std::mutex watched_mutex_;
  std::vector<GuestLoop*> watched_;
  std::atomic<bool> watchdog_ticking_{false};
  std::atomic<bool> watchdog_started_{false};
  BellWord watchdog_bell_ = {};
};

}  // namespace locus
