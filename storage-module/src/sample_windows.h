// LOCUS.NODE SAMPLES: sums over the calls that reached this Redis without a node and ran in its own hosts,
// handed out in windows to whoever asks. Between two questions sums grow and nothing else happens.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "redis_api.h"
#include "sample_tally.h"
#include "timers.h"

namespace locus {

/// Clients that wait for a window at once. Chosen: one controller, and those it took over from.
constexpr size_t kSampleTakersMax = 16;
/// A minute: who waits longer asks again.
constexpr int64_t kSampleTimeoutMsMax = 60'000;

/// Main thread only.
class SampleWindows {
 public:
  explicit SampleWindows(Timers* timers);

  /// One that came straight to this Redis runs in its hosts, from now until `Ran`. `fixed`: whatever the
  /// plan says.
  void Came() { in_flight_++; }
  void Ran(const FunctionImage& image, const Outcome& outcome, int64_t elapsed_ns, bool fixed);

  /// Replies the window: at its end, or after `timeout_ms` whatever there is by then. Each call is in one
  /// window, whose taker may go before it has it.
  int Take(RedisModuleCtx* context, int64_t timeout_ms);

 private:
  /// A client that waits. Its time is kept by a timer of ours: Redis' own timeout of a blocked client, when
  /// it comes in the same pass as its unblocking, leaves the client without any reply (7.0.15).
  struct Taker {
    RedisModuleBlockedClient* client = nullptr;
    Timers::Id timer;
  };

  static int OnEnd(RedisModuleCtx* context, RedisModuleString** argv, int argc);
  static void OnDisconnect(RedisModuleCtx* context, RedisModuleBlockedClient* client);
  static void OnDone(RedisModuleCtx* context, void* json);

  void OnWindow();
  void Arm();
  void Answer(std::deque<Taker>::iterator taker);
  std::deque<Taker>::iterator Find(const RedisModuleBlockedClient* client);
  std::string TakeJson();

  Timers* const timers_;
  SampleTally tally_;
  uint32_t in_flight_ = 0;  ///< in the hosts
  int64_t taken_ns_;        ///< when the last window ended
  int64_t first_ns_ = 0;    ///< when the first call of this one was recorded
  std::deque<Taker> takers_;
  bool armed_ = false;
};

}  // namespace locus
