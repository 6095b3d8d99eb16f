// One V8 isolate with the guest's context, on the thread that makes it.
#pragma once

#include <v8.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "guest_loop.h"
#include "guest_platform.h"

namespace locus {

/// Array buffers of one isolate, within what it may have beside its heap. V8 collects garbage and asks again when it
/// is refused.
class GuestBuffers final : public v8::ArrayBuffer::Allocator {
 public:
  explicit GuestBuffers(v8::Isolate* isolate) : isolate_(isolate) {}

  void* Allocate(size_t bytes) override;
  void* AllocateUninitialized(size_t bytes) override { return Allocate(bytes); }
  /// On any thread.
  void Free(void* data, size_t bytes) override;

  /// Of all buffers that there are.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  bool HasRoom(size_t bytes);

  v8::Isolate* isolate_;
  std::atomic<size_t> bytes_{0};
  size_t unasked_below_ = 0;  ///< up to so many bytes there is room, whatever the heap holds
};

class GuestIsolate {
 public:
  explicit GuestIsolate(uint32_t memory_mb);
  ~GuestIsolate();
  GuestIsolate(const GuestIsolate&) = delete;
  GuestIsolate& operator=(const GuestIsolate&) = delete;

  GuestLoop& loop() { return *loop_; }

 private:
  static void OnFullCollection(v8::Isolate* isolate, v8::GCType type, v8::GCCallbackFlags flags, void* data);

  v8::Isolate* isolate_;
  PlatformEntry entry_;
  std::shared_ptr<GuestBuffers> buffers_;
  std::unique_ptr<GuestLoop> loop_;
};

}  // namespace locus
