// What an isolate finds in the read cache, and need not ask Redis for. What a reply is, it knows again while the
// same reply is there: it keeps the values that it has made of the last ones, so that what many invocations
// read is neither copied nor decoded each time.
#pragma once

#include <v8.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guest_rounds.h"
#include "read_cache.h"

namespace locus {

/// Values by the position of the reply that they were made of. Bounded by their number, where the oldest of a few
/// make room, and by what their texts take of the heap, where all do.
class KnownValues {
 public:
  explicit KnownValues(v8::Isolate* isolate);

  void Prefetch(uint64_t position) const;
  /// Empty where there is none.
  v8::MaybeLocal<v8::Primitive> Get(uint64_t position) const;
  void Put(uint64_t position, v8::Local<v8::Primitive> value);

 private:
  struct Place {
    uint64_t position = 0;  ///< 0: free
    size_t bytes = 0;       ///< of the heap
  };
  /// Of one cache line: what a position may be in.
  static constexpr size_t kWays = 4;
  struct alignas(64) Group {
    Place places[kWays];
  };

  size_t GroupOf(uint64_t position) const;
  void Clear(size_t groups);

  v8::Isolate* const isolate_;
  const size_t bytes_max_;
  std::vector<Group> groups_;  ///< a power of two of them
  v8::Global<v8::PrimitiveArray> values_;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

class FoundReads {
 public:
  FoundReads(v8::Isolate* isolate, const ReadCacheView* cache) : isolate_(isolate), cache_(cache), known_(isolate) {}

  struct LookedUp {
    uint32_t found = 0;
    uint32_t known = 0;  ///< of these, whose values are there
    /// What has to be sent, with the operations that were not found; valid until the next call, or as long as
    /// what was given.
    std::string_view missing;
  };
  /// Looks for what `reader` may find of a round of nothing but GETs of one key.
  LookedUp LookUp(uint32_t reader, std::string_view commands, PendingRound* round);
  /// `value` is what was made of the reply that `operation` found.
  void Know(const PendingOperation& operation, std::string_view reply, v8::Local<v8::Value> value);
  /// The round's found replies are not needed any more.
  void Drop(PendingRound* round);

 private:
  struct Sought {
    std::string_view command;
    SoughtKey key;
  };

  bool Find(uint32_t reader, const SoughtKey& key, int64_t now, PendingRound* round, PendingOperation* operation);

  v8::Isolate* const isolate_;
  const ReadCacheView* const cache_;
  KnownValues known_;
  size_t waiting_bytes_ = 0;  ///< of replies that were found and are not handed over
  std::vector<Sought> sought_;
  std::string missing_;
};

}  // namespace locus
