// The keyspace service: takes rounds of operations off the lanes' rings, runs them in Redis under the global
// lock, and puts the replies back. Nothing that it reads from a ring is trusted.
//
// Two threads call it. The service thread collects rounds, and serves them while the main thread sleeps in
// its event loop. When the main thread is awake it serves them itself at the end of its pass: nobody waits
// for a lock that is never free. Who serves holds Redis' global lock; `serving()` keeps the supervisor from
// changing lanes meanwhile. How long a hold may last is the budget's to say (lock_budget.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "operation_round.h"
#include "operation_runner.h"
#include "supervisor.h"

namespace locus {

/// Bytes of rounds that wait or run, over all lanes; beyond it rings are left unread and their isolates wait.
constexpr size_t kRoundsBytesMax = 64 << 20;
/// Rounds of one lane: as many as its invocations, and some that are sent before the last was answered.
constexpr size_t kLaneRoundsMax = 4 * kConcurrencyMax;
/// Operations of one round before another round gets its turn.
constexpr int kTurnOperationsMax = 64;
/// Replies leave after so many of them or so many bytes, so that the isolate works while the rest is served.
constexpr uint32_t kReplyFrameOperations = 32;
constexpr size_t kReplyFrameBytes = 16 * 1024;
/// How often writes that wait for paused clients look again.
constexpr int64_t kPausedRetryNs = 2'000'000;

struct KeyspaceCounters {
  uint64_t rounds = 0;
  uint64_t operations = 0;
  uint64_t commands = 0;       ///< operations that Redis counts among the commands that it has processed
  uint64_t refused = 0;        ///< operations that the command table forbids: the host should have known
  uint64_t paused_writes = 0;  ///< times that a write had to wait because clients were paused
  uint64_t holds = 0;          ///< of the global lock
  uint64_t main_holds = 0;     ///< of these: by the main thread at the end of its pass
  int64_t lock_ns = 0;
  int64_t main_lock_ns = 0;  ///< of this: held by the main thread
  int64_t hold_max_ns = 0;   ///< the longest
};

class KeyspaceService {
 public:
  /// `counters`, guarded by the global lock, outlive the service, which ends with its supervisor.
  KeyspaceService(Supervisor* supervisor, OperationRunner* runner, KeyspaceCounters* counters)
      : supervisor_(supervisor), runner_(runner), counters_(counters) {}

  /// Held by the service thread while it polls the supervisor and collects, and by whoever serves.
  std::mutex& serving() { return serving_; }

  // With `serving()`:

  /// Takes what has come on the rings, and goes on with lanes whose reply ring has room again. True when
  /// there was something.
  bool Collect(int64_t now);
  /// Wakes the isolates that have got replies: after the global lock is released, since it can be a system
  /// call.
  /// True when one of them slept.
  bool RingBells();
  /// When to call `Collect` again though no bell rings; INT64_MAX: no need.
  int64_t next_retry_ns() const { return paused_.empty() ? INT64_MAX : paused_retry_ns_; }

  // With `serving()` and the global lock:

  struct Served {
    int64_t held_ns = 0;
    int64_t end_ns = 0;
    bool wrote =
        false;  ///< the main thread has to pass, so that replicas, the AOF and blocked clients see it
  };
  /// Runs rounds until none is left or `hold_ns` are over.
  Served Serve(int64_t hold_ns);

  /// Whether `Serve` would find something to run. From any thread.
  bool runnable() const { return runnable_.load(std::memory_order_relaxed); }

 private:
  struct Lane {
    std::vector<std::unique_ptr<OperationRound>> rounds;
    std::vector<OperationRound*> blocked;  ///< they wait because the reply ring is full
    bool full = false;                     ///< replies wait for room on the ring
    bool unread = false;                   ///< there may be more on the ring than could be taken
    bool listed = false;                   ///< in `revisit_`
    bool ring = false;                     ///< in `to_ring_`
  };
  enum class Turn { kFinished, kGoOn, kRingFull, kPaused };

  Lane& LaneAt(Place place);
  void Revisit(Place place);
  void Unblock(Lane& lane);
  void CollectLane(Place place, HostLane& ring);
  void CheckRings(Place place, const HostLane& ring);
  void Enqueue(std::unique_ptr<OperationRound> round);

  Turn RunTurn(OperationRound& round, InFlight& flight, HostLane& ring, int64_t until_ns);
  /// False when the write has to wait.
  bool RunOperation(OperationRound& round, InFlight& flight);
  bool SendReplies(const OperationRound& round, HostLane& ring, uint32_t count);
  void Finish(OperationRound* round);
  void Drop(OperationRound* round);
  void Release(OperationRound* round);
  void Keep(std::unique_ptr<OperationRound> round);
  void Publish() { runnable_.store(!ready_.empty(), std::memory_order_relaxed); }

  Supervisor* const supervisor_;
  OperationRunner* const runner_;
  KeyspaceCounters* const counters_;
  std::mutex serving_;
  std::deque<std::deque<Lane>> lanes_;  ///< by host, then lane; they stay where they are
  std::vector<Place> revisit_;            ///< lanes that are full or unread
  std::vector<Place> to_ring_;
  std::deque<OperationRound*> ready_;
  std::vector<OperationRound*> paused_;  ///< they wait because clients are paused
  int64_t paused_retry_ns_ = 0;
  std::vector<std::unique_ptr<OperationRound>> spare_;
  size_t rounds_bytes_ = 0;
  std::string frame_;  ///< replies that have not left yet, behind their header
  bool wrote_ = false;
  std::atomic<bool> runnable_{false};
};

}  // namespace locus
