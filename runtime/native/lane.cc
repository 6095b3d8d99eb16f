#include "lane.h"

namespace locus {

bool LaneRings::Map(int fd, const HostLayout& layout, HostHeader* header, uint32_t lane) {
  words = reinterpret_cast<LaneWords*>(reinterpret_cast<uint8_t*>(header) + sizeof(HostHeader)) + lane;
  size_t offset = layout.lane_offset(lane);
  const auto take = [&](uint64_t bytes, Mapping* mapping, RingWords* ring, RingView* view) {
    *mapping = Mapping::MapTwice(fd, offset, bytes);
    offset += bytes;
    *view = {ring, mapping->data(), bytes};
    return mapping->data() != nullptr;
  };
  if (!take(kInvocationRingBytes, &in_data, &words->invocations_in, &invocations_in)) return false;
  if (!take(kInvocationRingBytes, &out_data, &words->invocations_out, &invocations_out)) return false;
  if (!layout.operation_rings) return true;
  return take(kOperationRingBytes, &operations_data, &words->operations, &operations) &&
         take(kReplyRingBytes, &replies_data, &words->replies, &replies);
}

void LaneRings::Unmap() {
  for (Mapping* mapping : {&in_data, &out_data, &operations_data, &replies_data}) *mapping = Mapping();
}

}  // namespace locus
