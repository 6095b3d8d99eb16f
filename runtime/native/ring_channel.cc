#include "ring_channel.h"

#include "frames.h"

namespace locus {

RingChannel::RingChannel(LaneRings* rings, HostHeader* header, uint32_t lane, int supervisor_bell)
    : rings_(rings),
      header_(header),
      lane_(lane),
      supervisor_bell_(supervisor_bell),
      operations_(rings->operations),
      replies_(rings->replies, kReplyFrameBytesMax) {}

void RingChannel::Announce() {
  header_->operations_ready.Mark(lane_);
  Ring(&header_->supervisor_bell, {&supervisor_bell_, 1});
}

void RingChannel::Send(const Round& round) {
  const RoundHeader header = {round.number, round.operations};
  operations_.Write(static_cast<uint16_t>(Operations::kRound), round.invocation,
                    {reinterpret_cast<const char*>(&header), sizeof header}, round.commands);
  Announce();
}

bool RingChannel::Receive(const std::function<void(const Replies&)>& on_replies) {
  bool found = false;
  bool wake = false;
  Frame frame;
  while (replies_.Read(&frame)) {
    found = true;
    RoundHeader header;
    std::string_view replies = frame.payload;
    if (frame.kind == static_cast<uint16_t>(Operations::kReplies) && TakeRoundHeader(&replies, &header))
      on_replies({frame.id, header.round, header.count, replies, Code::kOk, {}});
    wake |= replies_.Release();
  }
  wake |= replies_.TakeProducerWake();
  const bool stuck = operations_.pending_bytes() > 0;
  if (stuck) operations_.Flush();
  if (wake || stuck) Announce();
  return found;
}

void RingChannel::Sleep(int64_t until_ns, const std::function<bool()>& ready) {
  BellWord* bell = &rings_->words->isolate_bell;
  AnnounceSleep(bell, Sleep::kOnFutex);
  if (ready() || HasReplies() || operations_.can_flush()) {
    CancelSleep(bell);
    return;
  }
  SleepOnFutex(bell, until_ns);
}

}  // namespace locus
