#include "ring.h"

#include <algorithm>

namespace locus {

namespace {
/// A local queue that has grown past this is given back to the allocator once it is empty.
constexpr size_t kKeepBytes = 256 * 1024;
}  // namespace

void RingProducer::Queue(const FrameHeader& header, std::string_view payload, std::string_view rest) {
  pending_.append(reinterpret_cast<const char*>(&header), sizeof header);
  pending_.append(payload);
  pending_.append(rest);
  pending_.append(PadFrame(header.bytes) - header.bytes, '\0');
}

bool RingProducer::Flush() {
  while (pending_bytes() > 0) {
    consumed_ = view_.words->consumed.load(std::memory_order_acquire);
    const uint64_t used = produced_ - consumed_;
    if (used > view_.capacity) {
      broken_ = true;
      return false;
    }
    // Multiples of 8, so that a header never straddles what the consumer sees.
    const uint64_t room = (view_.capacity - used) & ~uint64_t{7};
    if (room == 0) {
      view_.words->producer_waits.store(1);
      // Look again: the consumer may have made room between the look and the mark.
      if (view_.words->consumed.load() != consumed_) continue;
      return false;
    }
    const uint64_t bytes = std::min<uint64_t>(room, pending_bytes());
    std::memcpy(At(produced_), pending_.data() + pending_offset_, bytes);
    produced_ += bytes;
    pending_offset_ += bytes;
    view_.words->produced.store(produced_, std::memory_order_release);
  }
  pending_.clear();
  pending_offset_ = 0;
  if (pending_.capacity() > kKeepBytes) pending_.shrink_to_fit();
  return true;
}

void RingConsumer::BeginAssembly(const FrameHeader& header) {
  assembling_ = true;
  assembly_header_ = header;
  assembly_padded_ = PadFrame(header.bytes);
  assembly_.clear();
  assembly_.reserve(assembly_padded_);
  consumed_ += sizeof header;
}

bool RingConsumer::Assemble(uint64_t available, Frame* frame) {
  const uint64_t bytes = std::min(available, assembly_padded_ - assembly_.size());
  if (bytes > 0) {
    assembly_.append(reinterpret_cast<const char*>(At(consumed_)), bytes);
    consumed_ += bytes;
    if (Publish()) wake_producer_ = true;
  }
  if (assembly_.size() < assembly_padded_) return false;
  assembling_ = false;
  *frame = {assembly_header_.kind, assembly_header_.id, {assembly_.data(), assembly_header_.bytes}};
  release_ = 0;
  return true;
}

}  // namespace locus
