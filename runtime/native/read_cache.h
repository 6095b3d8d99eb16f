// What functions have read lately, where sandbox hosts look it up by themselves: a table in memory that the
// storage side writes and hosts may only read. A read that is found costs no round to Redis.
//
// It is right by its owner's doing: with Redis' global lock it puts replies in, and forgets a key before the
// reply to whoever changed it leaves. Whoever looks takes no lock: what was read of a record counts if it still
// stood in its place afterwards. What was found is copied then or later: until others lie there it is what it was.
//
// Records lie in a log that begins anew at its end and overwrites the oldest. A table of their places, by key,
// has buckets of one cache line. A position counts all bytes ever logged, so that none comes twice: one that
// lies before `valid_from` does not count, and to forget everything is one store; one before `overwritten_to` has
// others in its place.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared_memory.h"

namespace locus {

/// Replies longer than this are not kept, bytes. Chosen, not measured.
constexpr size_t kCachedReplyBytesMax = 64 * 1024;
/// Keys longer than this are not kept, bytes. Chosen, not measured.
constexpr size_t kCachedKeyBytesMax = 4 * 1024;
/// The reply for a key that is not there: the module asks in RESP3.
constexpr std::string_view kCachedNullReply = "_\r\n";
/// So long after it was put in a reply no longer counts, and Redis is asked again: its own clock of what is in
/// use (LRU) sees what functions read.
constexpr int64_t kCachedReplyAgeNs = 1'000'000'000;
/// The least memory, bytes, that a cache may have: room for replies of the largest size.
constexpr size_t kReadCacheBytesMin = 1 << 20;

/// What both ends map: this, then the buckets, then the log.
struct ReadCacheHeader {
  uint32_t magic;
  uint32_t version;
  uint64_t buckets;    ///< a power of two
  uint64_t log_bytes;  ///< a multiple of 8
  /// Records before this position are gone.
  alignas(64) std::atomic<uint64_t> valid_from;
  /// Of records before this position the bytes are gone as well. In a line of its own: it changes with each that is
  /// put in.
  alignas(64) std::atomic<uint64_t> overwritten_to;
};

/// A key whose reply is there, or that was asked for lately.
struct ReadCacheEntry {
  std::atomic<uint64_t> tag;       ///< of the key; 0: free
  std::atomic<uint64_t> position;  ///< of its record; 0: there is none
};
constexpr size_t kReadCacheWays = 4;
struct alignas(64) ReadCacheBucket {
  ReadCacheEntry entries[kReadCacheWays];
};

/// In the log: this, the key and the reply, each padded to 8 bytes.
struct ReadCacheRecord {
  int64_t put_ns;   ///< NowNs() clock
  uint32_t reader;  ///< who has the right to it
  uint32_t key_bytes;
  uint32_t reply_bytes;
  uint32_t reserved;
};
static_assert(sizeof(ReadCacheRecord) == 24);

/// Where the parts lie in mapped memory; of either end.
struct ReadCacheParts {
  ReadCacheHeader* header = nullptr;
  ReadCacheBucket* buckets = nullptr;
  uint64_t* log = nullptr;
  // The header's sizes, as they were when these were made.
  uint64_t bucket_count = 0;
  uint64_t log_bytes = 0;

  static ReadCacheParts Of(uint8_t* memory);
  /// Of header and buckets.
  static size_t BytesBeforeLog(uint64_t bucket_count) {
    return sizeof(ReadCacheHeader) + bucket_count * sizeof(ReadCacheBucket);
  }
  size_t BucketIndex(uint64_t tag) const { return (tag >> 1) & (bucket_count - 1); }
  ReadCacheBucket& BucketOf(uint64_t tag) const { return buckets[BucketIndex(tag)]; }
};

/// The owner's end. All calls with Redis' global lock.
class ReadCache {
 public:
  /// Takes memory, `bytes` of it at least `kReadCacheBytesMin`. False when the machine refuses. Nothing is kept
  /// before `Allow(true)`.
  bool Open(size_t bytes);
  /// Of the memory file, for hosts: whoever holds it can map it for reading alone. -1: there is none.
  int descriptor() const { return file_.get(); }
  size_t bytes() const { return memory_.bytes(); }

  /// Whether replies are kept, and count. What was there is forgotten either way.
  void Allow(bool allowed);
  bool allowed() const { return allowed_; }
  /// Nothing counts, and nothing is kept, until `Resume`: what was there is there again then.
  void Suspend();
  void Resume();
  bool suspended() const { return suspended_; }
  /// Whether the next reply that this reader gets for the key is worth keeping: it was asked for before, as far
  /// as is known, and is not there. Notes that it was asked for.
  bool Wants(uint32_t reader, std::string_view key, int64_t now);
  /// Keeps `reply`, RESP, for `reader`, who just had it from Redis. What is too large is not kept.
  void Put(uint32_t reader, std::string_view key, std::string_view reply, int64_t now);
  /// The key has changed: its replies count for nobody any more.
  void Forget(std::string_view key);
  void ForgetAll();

  struct Counters {
    uint64_t kept = 0;        ///< replies put in
    uint64_t forgotten = 0;   ///< replies whose keys changed
    uint64_t forgot_all = 0;  ///< times that everything was forgotten
  };
  const Counters& counters() const { return counters_; }

 private:
  bool IsThere(uint64_t position) const { return position != 0 && position >= valid_from_; }
  ReadCacheRecord RecordAt(uint64_t position) const;
  ReadCacheEntry* EntryFor(ReadCacheBucket& bucket, uint64_t tag, uint32_t reader);
  uint64_t Log(const ReadCacheRecord& record, std::string_view key, std::string_view reply);
  void PublishValidFrom();

  Descriptor file_;
  Mapping memory_;
  ReadCacheParts parts_;
  bool allowed_ = false;
  bool suspended_ = false;
  uint64_t end_ = 0;         ///< where the next record goes
  uint64_t valid_from_ = 0;  ///< as the header has it, unless nothing counts
  /// By bucket: whether a reply may be there. Every write asks, and most find here, in the core's own cache, that
  /// there is nothing to forget.
  std::vector<bool> occupied_;
  Counters counters_;
};

/// A key that is looked for: what its place in the table follows from is reckoned once.
struct SoughtKey {
  explicit SoughtKey(std::string_view key);

  std::string_view key;
  uint64_t tag;  ///< 0: no such key is kept
};

/// A reply that was found. No other ever has its position: who has seen it there knows what it is.
struct FoundReply {
  uint64_t position = 0;
  uint32_t bytes = 0;
};

/// A host's end. From any thread.
class ReadCacheView {
 public:
  /// Maps the memory for reading. Empty on success, else what is wrong with it.
  std::string Attach(int fd);
  bool attached() const { return parts_.header != nullptr; }
  // Where several keys are looked for, the core can fetch what `Find` will look at for all of them at once: the
  // first, and then, once that is there, what it leads to. The position of that, or 0.
  void Prefetch(const SoughtKey& sought) const;
  uint64_t PrefetchReply(const SoughtKey& sought) const;
  /// The reply that `reader` has for the key at this moment. False when there is none.
  bool Find(uint32_t reader, const SoughtKey& sought, int64_t now, FoundReply* found) const;
  /// Appends it: what it was when it was found, even if it has changed since. False, with nothing appended, when
  /// others lie in its place.
  bool Copy(const FoundReply& found, std::string* replies) const;

 private:
  const uint64_t* WordsAt(uint64_t position, size_t bytes) const;
  bool IsReplyTo(uint64_t position, uint32_t reader, std::string_view key, int64_t now,
                 uint32_t* reply_bytes) const;
  bool Stands(const ReadCacheEntry& entry, uint64_t position) const;

  Mapping memory_;
  ReadCacheParts parts_;
};

}  // namespace locus
