// What a sandbox host and its supervisor share: the layout of the memory file and every message on its rings.
//
// One memory file per host. Lane 0 is the control lane (the host's control thread); lanes 1… hold one isolate
// each. A lane has an invocation ring pair (supervisor ⇄ isolate) and, where the supervisor serves the
// keyspace itself (the Redis module; the memory channel), an operation ring pair (isolate ⇄ keyspace
// service). docs/rings.md is this file in prose.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "bell.h"
#include "ring.h"
#include "shared_memory.h"

namespace locus {

constexpr uint32_t kHostMagic = 0x4c4f4355;  // "LOCU"
/// Raised whenever anything in this file changes. The host refuses a memory file of another version.
constexpr uint32_t kHostVersion = 11;
/// Lanes per host, control lane included: one bit each in the ready words.
constexpr uint32_t kLanesMax = 4096;
constexpr uint32_t kControlLane = 0;
/// Invocations at once in one isolate, at most (`limits.concurrency`).
constexpr uint32_t kConcurrencyMax = 256;

/// Ring sizes, bytes: chosen so that a usual call and a usual round fit whole, and larger ones stream.
constexpr uint64_t kInvocationRingBytes = 64 * 1024;
constexpr uint64_t kOperationRingBytes = 128 * 1024;
constexpr uint64_t kReplyRingBytes = 256 * 1024;

/// Longest frames, bytes; checked before allocation on both sides. A frame carries its bounded payload (see
/// runtime/function/description.ts: ARGS_BYTES_MAX, RESULT_BYTES_MAX, CODE_BYTES_MAX, BUNDLE_BYTES_MAX) and headers.
constexpr uint64_t kArgsBytesMax = 1 << 20;
constexpr uint64_t kResultBytesMax = 4 << 20;
/// Of a bundle's code, and with its source map.
constexpr uint64_t kCodeBytesMax = 1 << 20;
constexpr uint64_t kBundleBytesMax = 3 << 20;
constexpr uint64_t kLogBytesMax = 64 << 10;
/// What an invocation has read, kept so that another run of it need not read it again; what comes on top is
/// read again.
constexpr uint64_t kReadSetBytesMax = 256 << 10;
/// Message and stack of an error, each cut to this.
constexpr uint64_t kErrorTextBytesMax = 16 << 10;
/// Commands of one round, RESP bytes.
constexpr uint64_t kRoundBytesMax = 16 << 20;
/// Operations of one round.
constexpr uint32_t kRoundOperationsMax = 65536;
/// Replies of one round, RESP bytes.
constexpr uint64_t kRepliesBytesMax = 64 << 20;
constexpr uint64_t kFrameOverheadBytesMax = 64 << 10;
constexpr uint64_t kInvocationFrameBytesMax =
    kResultBytesMax + 2 * kErrorTextBytesMax + kFrameOverheadBytesMax;
constexpr uint64_t kOperationFrameBytesMax = kRoundBytesMax + kFrameOverheadBytesMax;
constexpr uint64_t kReplyFrameBytesMax = kRepliesBytesMax + kFrameOverheadBytesMax;

enum HostFlags : uint32_t {
  kHostHasOperationRings = 1,  ///< storage: data by ring. Otherwise by sockets that the supervisor passes.
  kHostHasReadCache = 2,       ///< its descriptor (read_cache.h) lies behind the supervisor's bell
};

struct LaneWords {
  BellWord isolate_bell;  ///< the isolate's thread (lane 0: the host's control thread)
  RingWords invocations_in;
  RingWords invocations_out;
  RingWords operations;
  RingWords replies;
  /// The isolate puts an invocation's id here before it sends the first round with anything but reads, and
  /// takes it away when it ends: what tells the supervisor after a death whether a call may be run again.
  /// Indexed by the isolate's own slots. (The storage side knows by itself what it wrote.)
  alignas(64) std::atomic<uint64_t> wrote[kConcurrencyMax];
  /// Start of the turn now running (NowNs), 0 between turns, and whose turn it is: what tells after a death
  /// who was running.
  std::atomic<int64_t> turn_started_ns;
  std::atomic<uint64_t> turn_invocation;
  /// What that invocation has computed, and how long it had waited when its turn began: as the isolate or its
  /// watchdog saw it last. What tells how far it came, when its isolate does not say so in time.
  std::atomic<uint64_t> computed_ns;
  std::atomic<uint64_t> waited_ns;
  /// What the isolate holds of heap and buffers, as last measured; 0 before that.
  std::atomic<uint64_t> memory_bytes;
  /// The invocation that was cancelled last: its turn, if it is in one, is ended like a late one.
  alignas(64) std::atomic<uint64_t> cancelled;
};

/// A bit per lane, and one for each 64 of them that says where to look.
class ReadyLanes {
 public:
  void Mark(uint32_t lane) {
    words_[lane / 64].fetch_or(uint64_t{1} << lane % 64);
    const uint64_t bit = uint64_t{1} << lane / 64;
    // Whoever takes the bit away looks at the word after that.
    if ((some_.load() & bit) == 0) some_.fetch_or(bit);
  }
  bool any() const { return some_.load(std::memory_order_relaxed) != 0; }
  /// Takes all bits away. `visit(lane)` for each; lanes may be any below kLanesMax.
  template <typename Visit>
  void Take(Visit&& visit) {
    if (!any()) return;
    for (uint64_t some = some_.exchange(0); some != 0; some &= some - 1) {
      const auto group = static_cast<uint32_t>(__builtin_ctzll(some));
      for (uint64_t ready = words_[group].exchange(0); ready != 0; ready &= ready - 1)
        visit(group * 64 + static_cast<uint32_t>(__builtin_ctzll(ready)));
    }
  }

 private:
  alignas(64) std::atomic<uint64_t> some_;
  alignas(64) std::atomic<uint64_t> words_[kLanesMax / 64];
};

struct HostHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t lanes;
  uint32_t flags;
  BellWord supervisor_bell;
  /// Lanes with something new for the supervisor: an outcome, or room made on a ring.
  ReadyLanes outcome_ready;
  /// Lanes with operations for the keyspace service.
  ReadyLanes operations_ready;
  /// The core that the keyspace service runs on, -1 while it sleeps. An isolate on the same core does not
  /// spin for its replies: who makes them could not run.
  alignas(64) std::atomic<int32_t> service_core;
  /// Isolates that may spin at once for replies of the keyspace service: more, and it could not run.
  std::atomic<int32_t> spinners_max;
  /// Operations that the host's isolates have found in the read cache.
  alignas(64) std::atomic<uint64_t> cached_operations;
  std::atomic<uint64_t> known_operations;  ///< those of them whose values the isolates had
};

/// Where things lie in the memory file: a function of the lane count and the flags alone, so both sides
/// compute it.
struct HostLayout {
  uint32_t lanes = 0;
  bool operation_rings = false;

  size_t header_bytes() const { return RoundUp(sizeof(HostHeader) + lanes * sizeof(LaneWords)); }
  size_t lane_bytes() const {
    return 2 * kInvocationRingBytes + (operation_rings ? kOperationRingBytes + kReplyRingBytes : 0);
  }
  size_t lane_offset(uint32_t lane) const { return header_bytes() + lane * lane_bytes(); }
  size_t file_bytes() const { return header_bytes() + lanes * lane_bytes(); }

 private:
  static size_t RoundUp(size_t bytes) { return (bytes + PageBytes() - 1) & ~(PageBytes() - 1); }
};

/// The mapped rings of one lane. Both sides make one; each uses its own half as producer or consumer.
struct LaneRings {
  LaneWords* words = nullptr;
  Mapping in_data, out_data, operations_data, replies_data;
  RingView invocations_in, invocations_out, operations, replies;

  /// Maps lane `lane` of the file. False when the kernel refuses.
  bool Map(int fd, const HostLayout& layout, HostHeader* header, uint32_t lane);
  void Unmap();
};

// ---- Messages. All integers are little-endian and naturally aligned.
// -------------------------------------------

/// Kinds on `invocations_in` (supervisor → isolate).
enum class ToIsolate : uint16_t {
  kInvoke = 1,    ///< InvokeHeader, keys (u32 length + bytes each), args (JSON text), a read set
  kCancel = 2,    ///< no payload; id of the invocation
  kClose = 3,     ///< no payload: end the loop after the invocations in flight
  kMayWrite = 4,  ///< no payload; answers kAsksToWrite
};

/// Kinds on `invocations_out` (isolate → supervisor).
enum class FromIsolate : uint16_t {
  kOutcome = 1,      ///< OutcomeHeader, then body, message, stack
  kLog = 2,          ///< one line of text (UTF-8) of the invocation
  kAsksToWrite = 3,  ///< no payload: it has something to send that is no read, and waits for kMayWrite
};

/// Kinds on `operations` (isolate → keyspace service) and `replies` (back).
enum class Operations : uint16_t {
  kRound = 1,    ///< RoundHeader, then `count` commands as RESP arrays of bulk strings
  kReplies = 2,  ///< RoundHeader (count: replies in this frame), then RESP3 replies; frames of one round come
                 ///< in order
};

/// Kinds on the control lane, both ways. JSON texts are UTF-8.
enum class Control : uint16_t {
  kOpen = 1,  ///< → host: OpenHeader, version, bundle. Starts an isolate in a lane; lane 0: check only
  kReady = 2,       ///< ← host: JSON about itself, once, when it can take work
  kOpened = 3,      ///< ← host: of a check the function's description (JSON); id of the request
  kOpenFailed = 4,  ///< ← host: why, as text; id of the request
  kClosed = 5,  ///< ← host: the isolate in lane `id` is gone and the lane can be given again; reason text
  kConnectionLost = 6,  ///< ← host: connection `id` is gone (reason text); the supervisor passes a fresh one
};

/// What goes with a passed descriptor over the control socket: this, then the texts one after the other.
/// Without TLS
/// (`server_name_bytes` 0) the connection is authenticated already and there are no texts.
struct DescriptorHeader {
  uint32_t connection;
  uint32_t database;
  uint32_t server_name_bytes;  ///< TLS: who the certificate must be for
  uint32_t authorities_bytes;  ///< PEM; none: the authorities that Node brings along
  uint32_t username_bytes;
  uint32_t password_bytes;
};
/// Bytes of the whole message, at most.
constexpr size_t kDescriptorMessageBytesMax = 128 << 10;

struct OpenHeader {
  uint32_t lane;
  uint32_t memory_mb;
  uint32_t version_bytes;  ///< none: V8's code of the bundle is not kept for the next isolate
  uint32_t bundle_bytes;
};

struct InvokeHeader {
  int64_t deadline_ns;  ///< NowNs() clock
  int64_t cpu_limit_ns;
  /// It is pushed back when it has computed for so long and has sent nothing but reads; 0: never.
  int64_t back_cpu_ns;
  uint32_t operations_max;
  uint32_t key_count;
  uint32_t keys_bytes;
  uint32_t args_bytes;
  uint32_t known_bytes;    ///< of the read set of an earlier run
  uint32_t asks_to_write;  ///< 1: sends nothing but reads before kMayWrite has come
  uint32_t reader;         ///< whose replies in the read cache it may have; 0: nobody's
  uint32_t reserved;
};

/// A read set begins with this; then come the commands, then their replies.
struct ReadSetHeader {
  uint32_t operations;
  uint32_t commands_bytes;
  uint32_t replies_bytes;
};

struct RoundHeader {
  uint32_t round;  ///< counts an invocation's rounds
  uint32_t count;
};

/// What the isolate measured of one invocation.
struct UsageWire {
  uint64_t cpu_ns;
  uint64_t slowed_ns;  ///< of `cpu_ns`, what it would not have been at the core's usual pace (core_pace.h): 7/8 at most
  uint64_t wait_ns;
  uint64_t operations;
  uint64_t rounds;
  uint64_t bytes_out;
  uint64_t bytes_in;
  /// Of the operations, and of the rounds as a whole: reads that a read cache may answer, and those that one did.
  uint64_t findable_operations;
  uint64_t findable_rounds;
  uint64_t found_operations;
  uint64_t found_rounds;
};

/// No core is taken for more than eight times as slow as usual, whatever is told of it.
inline void BoundSlowed(UsageWire* usage) {
  usage->slowed_ns = std::min(usage->slowed_ns, usage->cpu_ns - usage->cpu_ns / 8);
}

struct OutcomeHeader {
  uint32_t code;  ///< 0: ok; else 1 + the index of the code in the error table
  uint32_t result_bytes;
  uint32_t message_bytes;
  uint32_t stack_bytes;
  UsageWire usage;
  /// The isolate can take no further invocations (a turn had to be terminated, memory ran out): the
  /// supervisor replaces it.
  uint32_t retire;
  /// Another invocation cost the isolate: this one may be run again if it has sent no write.
  uint32_t lost;
  /// Log lines beyond what an invocation may keep.
  uint32_t log_lines_dropped;
  /// Pushed back: it is to run elsewhere, and in place of the result comes what it has read.
  uint32_t back;
};

}  // namespace locus
