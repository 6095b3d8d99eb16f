// How an isolate reaches its data: rounds of commands out, replies back, in the order of the commands of each
// round. RingChannel and SocketChannel implement it; the loop cannot tell which one it has. All calls come
// from the isolate's own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "bell.h"
#include "codes.h"

namespace locus {

struct Round {
  uint64_t invocation = 0;
  uint32_t number = 0;  ///< counts the invocation's rounds
  uint32_t operations = 0;
  bool writes = false;        ///< one of them may change data: Redis may hold it back
  std::string_view commands;  ///< RESP; valid during the call only
};

/// Some replies of a round: `count` whole ones in `bytes`. Or its end, when `failure` is not kOk: no more
/// will come.
struct Replies {
  uint64_t invocation = 0;
  uint32_t round = 0;
  uint32_t count = 0;
  std::string_view bytes;  ///< valid during the call only
  Code failure = Code::kOk;
  std::string_view message;
};

class Channel {
 public:
  virtual ~Channel() = default;
  /// Sends the round. Never blocks: what cannot leave now leaves during `Receive`.
  virtual void Send(const Round& round) = 0;
  /// Hands over what has come. True when there was something.
  virtual bool Receive(const std::function<void(const Replies&)>& on_replies) = 0;
  /// Whether `Receive` would find something. Cheap: asked while spinning.
  virtual bool HasReplies() = 0;
  /// Sleeps until there may be something to receive, the bell is rung, or `until_ns`. `ready` is asked once
  /// after the sleep is announced.
  virtual void Sleep(int64_t until_ns, const std::function<bool()>& ready) = 0;
  /// The invocation has ended: its replies need not be handed over any more.
  virtual void Forget(uint64_t invocation) = 0;
};

}  // namespace locus
