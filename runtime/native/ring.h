// A byte ring between two processes: one producer, one consumer, frames of any size up to a bound.
//
// Positions only grow; each side writes its own and reads the other's, which it never trusts: a position that
// runs ahead of what the ring can hold makes the ring `broken()`, and whoever sees that ends the other
// process. Frames are 8-byte aligned. A frame that fits is written and read in one piece; a larger one
// streams through.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "prefetch.h"

namespace locus {

/// What precedes every frame on every ring. docs/rings.md lists the kinds.
struct FrameHeader {
  uint32_t bytes;  ///< of the payload, without this header and without padding
  uint16_t kind;
  uint16_t reserved;
  uint64_t id;  ///< invocation, or request on the control lane
};
static_assert(sizeof(FrameHeader) == 16);

/// One direction's shared words. Producer and consumer words lie on cache lines of their own.
struct RingWords {
  alignas(64) std::atomic<uint64_t> produced;
  alignas(64) std::atomic<uint64_t> consumed;
  /// The producer waits for room: the consumer rings its bell after consuming.
  std::atomic<uint32_t> producer_waits;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

constexpr uint64_t PadFrame(uint64_t bytes) {
  return (bytes + 7) & ~uint64_t{7};
}

/// Shared state of the two ends: the words, the double-mapped data, its size (a power of two, page multiple).
struct RingView {
  RingWords* words = nullptr;
  uint8_t* data = nullptr;
  uint64_t capacity = 0;
};

/// The producing end. Not thread-safe: one owner.
class RingProducer {
 public:
  RingProducer() = default;
  explicit RingProducer(RingView view)
      : view_(view),
        produced_(view.words->produced.load(std::memory_order_relaxed)),
        consumed_(view.words->consumed.load(std::memory_order_relaxed)) {}

  /// Puts the frame (its payload in one or two parts) on the ring, or what does not fit into a local queue
  /// that `Flush` moves later. True when everything is on the ring. Order is kept.
  bool Write(uint16_t kind, uint64_t id, std::string_view payload, std::string_view rest = {}) {
    const uint64_t bytes = payload.size() + rest.size();
    const FrameHeader header{static_cast<uint32_t>(bytes), kind, 0, id};
    const uint64_t frame = sizeof header + PadFrame(bytes);
    if (pending_bytes() == 0 && Free() >= frame) {
      uint8_t* to = At(produced_);
      std::memcpy(to, &header, sizeof header);
      if (!payload.empty()) std::memcpy(to + sizeof header, payload.data(), payload.size());
      if (!rest.empty()) std::memcpy(to + sizeof header + payload.size(), rest.data(), rest.size());
      produced_ += frame;
      view_.words->produced.store(produced_, std::memory_order_release);
      return true;
    }
    Queue(header, payload, rest);
    return Flush();
  }

  /// Moves queued bytes onto the ring as far as they fit. True when none are left.
  bool Flush();

  /// Bytes that wait in the local queue. The owner bounds them (it stops writing).
  uint64_t pending_bytes() const { return pending_.size() - pending_offset_; }
  /// Queued bytes wait although the consumer has made room: look at this after announcing a sleep.
  bool can_flush() const {
    return pending_bytes() > 0 && view_.words->producer_waits.load(std::memory_order_seq_cst) == 0;
  }
  bool broken() const { return broken_; }

 private:
  uint8_t* At(uint64_t position) const { return view_.data + (position & (view_.capacity - 1)); }
  uint64_t Free() {
    uint64_t used = produced_ - consumed_;
    if (used > view_.capacity / 2) {
      consumed_ = view_.words->consumed.load(std::memory_order_acquire);
      used = produced_ - consumed_;
      if (used > view_.capacity) {
        broken_ = true;
        return 0;
      }
    }
    return view_.capacity - used;
  }
  void Queue(const FrameHeader& header, std::string_view payload, std::string_view rest);

  RingView view_;
  uint64_t produced_ = 0;
  uint64_t consumed_ = 0;  ///< the consumer's position when last looked at
  std::string pending_;
  size_t pending_offset_ = 0;
  bool broken_ = false;
};

struct Frame {
  uint16_t kind = 0;
  uint64_t id = 0;
  /// Valid until `Release`. Lies in shared memory when the frame came in one piece: the other side can still
  /// change it.
  std::string_view payload;
};

/// The consuming end. Not thread-safe: one owner.
class RingConsumer {
 public:
  RingConsumer() = default;
  /// `frame_bytes_max`: a longer frame makes the ring broken before anything is allocated for it.
  RingConsumer(RingView view, uint64_t frame_bytes_max)
      : view_(view),
        frame_bytes_max_(frame_bytes_max),
        consumed_(view.words->consumed.load(std::memory_order_relaxed)),
        looked_at_(consumed_) {}

  /// The next whole frame, if there is one. The caller must `Release` it before it asks for another.
  bool Read(Frame* frame) {
    const uint64_t available = Available();
    looked_at_ = consumed_ + available;
    if (assembling_) return Assemble(available, frame);
    if (available < sizeof(FrameHeader)) return false;
    Prefetch(available);
    FrameHeader header;
    std::memcpy(&header, At(consumed_), sizeof header);
    if (header.bytes > frame_bytes_max_) {
      broken_ = true;
      return false;
    }
    const uint64_t whole = sizeof header + PadFrame(header.bytes);
    if (whole > view_.capacity) {
      BeginAssembly(header);
      return Assemble(available - sizeof header, frame);
    }
    if (available < whole) return false;
    *frame = {
        header.kind, header.id, {reinterpret_cast<const char*>(At(consumed_) + sizeof header), header.bytes}};
    release_ = whole;
    return true;
  }

  /// Gives the last frame's room back. True when the producer waits for room and wants its bell rung.
  bool Release() {
    consumed_ += release_;
    release_ = 0;
    looked_at_ = consumed_;
    if (assembly_.capacity() > kKeepAssemblyBytes) std::string().swap(assembly_);
    return Publish();
  }

  /// Whether there is nothing that `Read` has not looked at: a part of a frame is nothing until more of it comes, or who waits for
  /// the rest would not sleep, and keep whoever sends it from the core.
  bool empty() const { return view_.words->produced.load(std::memory_order_acquire) == looked_at_; }
  bool broken() const { return broken_; }
  /// True once after bytes were taken for a frame still incomplete while the producer waits for room.
  bool TakeProducerWake() {
    const bool wake = wake_producer_;
    wake_producer_ = false;
    return wake;
  }

 private:
  uint8_t* At(uint64_t position) const { return view_.data + (position & (view_.capacity - 1)); }
  uint64_t Available() {
    const uint64_t available = view_.words->produced.load(std::memory_order_acquire) - consumed_;
    if (available > view_.capacity) {
      broken_ = true;
      return 0;
    }
    return available;
  }
  bool Publish() {
    view_.words->consumed.store(consumed_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return view_.words->producer_waits.load(std::memory_order_relaxed) != 0 &&
           view_.words->producer_waits.exchange(0) != 0;
  }
  /// The other core's cache has these lines: asked for together they come together, instead of one after the
  /// other as a parser meets them.
  void Prefetch(uint64_t available) const {
    const uint8_t* from = At(consumed_);
    const uint64_t bytes = available < kPrefetchBytes ? available : kPrefetchBytes;
    for (uint64_t at = 64; at < bytes; at += 64) locus::Prefetch(from + at);
  }
  static constexpr uint64_t kPrefetchBytes = 512;
  /// A buffer for streamed frames that has grown past this is given back.
  static constexpr size_t kKeepAssemblyBytes = 256 * 1024;

  void BeginAssembly(const FrameHeader& header);
  bool Assemble(uint64_t available, Frame* frame);

  RingView view_;
  uint64_t frame_bytes_max_ = 0;
  uint64_t consumed_ = 0;
  uint64_t looked_at_ = 0;  ///< up to where `Read` has seen what there is
  uint64_t release_ = 0;
  bool assembling_ = false;
  FrameHeader assembly_header_ = {};
  uint64_t assembly_padded_ = 0;  ///< payload and padding still to come, counted from the whole
  std::string assembly_;
  bool wake_producer_ = false;
  bool broken_ = false;
};

}  // namespace locus
