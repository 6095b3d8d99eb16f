// Operations and replies over the lane's second ring pair, to whoever serves the keyspace there.
#pragma once

#include "channel.h"
#include "lane.h"

namespace locus {

class RingChannel final : public Channel {
 public:
  RingChannel(LaneRings* rings, HostHeader* header, uint32_t lane, int supervisor_bell);

  void Send(const Round& round) override;
  bool Receive(const std::function<void(const Replies&)>& on_replies) override;
  bool HasReplies() override { return !replies_.empty(); }
  void Sleep(int64_t until_ns, const std::function<bool()>& ready) override;
  void Forget(uint64_t) override {}

 private:
  void Announce();

  LaneRings* rings_;
  HostHeader* header_;
  uint32_t lane_;
  int supervisor_bell_;
  RingProducer operations_;
  RingConsumer replies_;
};

}  // namespace locus
