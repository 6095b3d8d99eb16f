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
  /// For the read set: with its commands and the replies that have come, but for those that are `found_value`s.
  bool kept = false;
  std::string commands;
  std::string replies;
};

/// What an invocation has read, kept while it may be pushed back: its read set (read_set.h) but for the values that
/// were found, which become replies when it is asked for.
class KeptReads {
 public:
  /// A round that is answered; what was found for it is taken from it. From the first that would make the read set
  /// larger than `kReadSetBytesMax` on, none is.
  void Add(PendingRound* round);
  /// Whether nothing more is kept.
  bool full() const { return full_; }
  std::string ReadSet(v8::Isolate* isolate) const;
  /// Forgets all; of what they took, as much as is used again.
  void Clear();

 private:
  struct Value {
    size_t at;  ///< where in `bytes_` its reply goes
    v8::Global<v8::Primitive> value;
  };

  std::string bytes_;
  std::vector<Value> values_;
  size_t value_bytes_ = 0;  ///< of their replies
  bool full_ = false;
};

}  // namespace locus
