// Operations and replies over the lane's second ring pair, to whoever serves the keyspace there. What the read
// cache has need not go there.
#pragma once

#include <optional>

#include "cached_rounds.h"
#include "channel.h"
#include "lane.h"

namespace locus {

class RingChannel final : public Channel {
 public:
  /// `cache` may be null: there is none.
  RingChannel(LaneRings* rings, HostHeader* header, uint32_t lane, int supervisor_bell,
              const ReadCacheView* cache);

  uint32_t Send(const Round& round) override;
  bool Receive(const std::function<void(const Replies&)>& on_replies) override;
  bool HasReplies() override {
    return (cached_ && cached_->has_whole()) || !replies_.empty();
  }
  void Sleep(int64_t until_ns, const std::function<bool()>& ready) override;
  void Forget(uint64_t invocation) override {
    if (cached_) cached_->Forget(invocation);
  }

 private:
  void Announce();

  LaneRings* rings_;
  HostHeader* header_;
  uint32_t lane_;
  int supervisor_bell_;
  RingProducer operations_;
  RingConsumer replies_;
  std::optional<CachedRounds> cached_;
};

}  // namespace locus
