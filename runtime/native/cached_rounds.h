// What the read cache does for the rounds of one isolate: it looks up what a round asks for, keeps what it
// finds until the rest has come from Redis, and puts the replies together in the order of the commands.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "channel.h"
#include "read_cache.h"

namespace locus {

class CachedRounds {
 public:
  using OnReplies = std::function<void(const Replies&)>;

  explicit CachedRounds(const ReadCacheView* cache) : cache_(cache) {}

  /// What of a round (`Round::reader` is somebody) has to be sent; without operations when nothing has.
  /// `commands` are valid until the next call.
  struct Missing {
    uint32_t operations = 0;
    std::string_view commands;
  };
  Missing LookUp(const Round& round);

  /// Whether there are rounds that were found whole.
  bool has_whole() const { return !whole_.empty(); }
  /// Hands them over. What follows from them may be found as well: that waits for the next time, when all else
  /// has had its turn. True when there were some.
  bool HandOverWhole(const OnReplies& on_replies);
  /// Hands over replies from Redis, with what was found around them.
  void HandOver(const Replies& replies, const OnReplies& on_replies);
  void Forget(uint64_t invocation);

 private:
  struct LookedUp {
    uint64_t invocation = 0;
    uint32_t round = 0;
    std::vector<uint32_t> lengths;  ///< of each operation's reply in `replies`; 0: it has to come
    std::string replies;
    // How far they are handed over.
    size_t next = 0;
    size_t next_byte = 0;
  };

  LookedUp Begin(const Round& round);
  void Wait(LookedUp&& looked_up, std::vector<LookedUp>* among);
  void End(LookedUp&& looked_up);
  uint32_t TakeFound(LookedUp& looked_up);

  const ReadCacheView* const cache_;
  std::vector<LookedUp> whole_;
  std::vector<LookedUp> handing_over_;
  std::vector<LookedUp> partly_;
  std::vector<LookedUp> spare_;  ///< for their room
  size_t waiting_bytes_ = 0;     ///< of replies that were found and are not handed over
  std::string missing_;
  std::string together_;
};

}  // namespace locus
