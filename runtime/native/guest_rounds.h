// Rounds that an isolate awaits, and what is kept of them while their invocation may be pushed back.
#pragma once

#include <v8.h>

#include <cstdint>
#include <string>
#include <vector>

#include "command_table.h"
#include "read_cache.h"

namespace locus {

/// One operation whose reply is awaited.
struct PendingOperation {
  v8::Global<v8::Promise::Resolver> resolver;
  const CommandRule* rule;
  ReplyShape shape;
  bool binary = false;
  uint32_t key_end = 0;  ///< of its key among its round's `written_keys`, from where the one before ends
  /// What the read cache has for it; without bytes: nothing, its reply has to come.
  FoundReply found = {};
  /// What that is, where the isolate knows. Else the reply is the next among its round's `found_replies`.
  v8::Global<v8::Primitive> found_value = {};
};

struct PendingRound {
  uint32_t number = 0;
  size_t answered = 0;
  size_t bytes = 0;
  bool settles_later = false;  ///< an error has come
  std::vector<PendingOperation> operations;
  std::string written_keys;  ///< the first key of each write, cut short: for who does not await it
  std::string found_replies;
  size_t found_taken = 0;  ///< bytes of them
  bool kept = false;       ///< for the read set
  std::string commands;    ///< until they are sent, or as long as it is kept
  std::string replies;     ///< of one that is kept: those that have come
};

/// What is kept of one round, at most: of 64 KiB with each call the copies were a sixth of what a sandbox host beside Redis
/// works for it, and hardly any call is pushed back. A page or four cost nothing to speak of.
constexpr size_t kKeptRoundBytesMax = 16 * 1024;

/// Of a text the room is used again up to this: of what few invocations read, which may be more, they make room anew.
constexpr size_t kKeptTextBytesMax = 16 * 1024;

inline void Empty(std::string* text) {
  text->clear();
  if (text->capacity() > kKeptTextBytesMax) text->shrink_to_fit();
}

/// What an invocation has read, kept while it may be pushed back, which hardly any is: of what was found no more than
/// where it was.
class KeptReads {
 public:
  /// A round that is answered. From the first that would make the read set larger than
  /// `kReadSetBytesMax` on, none is kept.
  void Add(const PendingRound& round);
  /// Whether nothing more is kept.
  bool full() const { return full_; }
  /// A round came that is too large by itself.
  void Fill() { full_ = true; }
  /// As read_set.h has it; empty where nothing was read. It ends before the first that `cache` has overwritten
  /// since: after something that is read again, nothing may be older. `cache`: where it was found; null where
  /// nothing was.
  std::string ReadSet(const ReadCacheView* cache) const;
  /// Forgets all; of what they took, as much as is used again.
  void Clear();

 private:
  struct Found {
    uint32_t operation;  ///< of all, in the order of the commands
    FoundReply reply;
  };

  uint32_t operations_ = 0;
  std::string commands_;  ///< of all
  std::string replies_;   ///< of those that were not found
  std::vector<Found> found_;
  size_t found_bytes_ = 0;
  bool full_ = false;
};

}  // namespace locus
