#include "ring_channel.h"

#include "frames.h"

namespace locus {

RingChannel::RingChannel(LaneRings* rings, HostHeader* header, uint32_t lane, int supervisor_bell,
                         const ReadCacheView* cache)
    : rings_(rings),
      header_(header),
      lane_(lane),
      supervisor_bell_(supervisor_bell),
      operations_(rings->operations),
      replies_(rings->replies, kReplyFrameBytesMax) {
  if (cache != nullptr) cached_.emplace(cache);
}

void RingChannel::Announce() {
  header_->operations_ready.fetch_or(uint64_t{1} << lane_, std::memory_order_release);
  Ring(&header_->supervisor_bell, supervisor_bell_);
}

uint32_t RingChannel::Send(const Round& round) {
  CachedRounds::Missing missing = {round.operations, round.commands};
  if (round.reader != 0 && cached_) missing = cached_->LookUp(round);
  const uint32_t found = round.operations - missing.operations;
  if (found > 0) header_->cached_operations.fetch_add(found, std::memory_order_relaxed);
  if (missing.operations == 0) return found;
  const RoundHeader header = {round.number, missing.operations};
  operations_.Write(static_cast<uint16_t>(Operations::kRound), round.invocation,
                    {reinterpret_cast<const char*>(&header), sizeof header}, missing.commands);
  Announce();
  return found;
}

bool RingChannel::Receive(const std::function<void(const Replies&)>& on_replies) {
  bool found = cached_ && cached_->HandOverWhole(on_replies);
  bool wake = false;
  Frame frame;
  while (replies_.Read(&frame)) {
    found = true;
    RoundHeader header;
    std::string_view replies = frame.payload;
    if (frame.kind == static_cast<uint16_t>(Operations::kReplies) && TakeRoundHeader(&replies, &header)) {
      const Replies some = {frame.id, header.round, header.count, replies, Code::kOk, {}};
      if (cached_) {
        cached_->HandOver(some, on_replies);
      } else {
        on_replies(some);
      }
    }
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
