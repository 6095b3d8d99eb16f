#include "read_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <span>

#include "prefetch.h"

namespace locus {

namespace {

constexpr uint32_t kMagic = 0x4c435243;  // "LCRC"
constexpr uint32_t kVersion = 2;
/// Memory for each entry of the table: what a small record takes.
constexpr size_t kBytesPerEntry = 256;
/// No record is longer than this part of the log: one would else push out all others.
constexpr uint64_t kLogPerRecord = 8;

constexpr size_t Words(size_t bytes) {
  return (bytes + 7) / 8;
}

/// Never 0. The same in both processes: the hash is that of libstdc++, which does not change.
uint64_t TagOf(std::string_view key) {
  return std::hash<std::string_view>{}(key) | 1;
}

// Whole words, each by itself: the other end may be at them, and sees afterwards whether what it has is whole.

uint64_t LoadWord(const uint64_t* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

uint64_t* CopyIn(std::string_view bytes, uint64_t* to) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 8))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min<size_t>(bytes.size(), 8));
    __atomic_store_n(to++, word, __ATOMIC_RELAXED);
  }
  return to;
}

void CopyOut(const uint64_t* from, std::span<char> to) {
  for (; !to.empty(); to = to.subspan(std::min<size_t>(to.size(), 8))) {
    const uint64_t word = LoadWord(from++);
    std::memcpy(to.data(), &word, std::min<size_t>(to.size(), 8));
  }
}

bool IsSame(const uint64_t* words, std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(bytes.size(), 8))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min<size_t>(bytes.size(), 8));
    if (LoadWord(words++) != word) return false;
  }
  return true;
}

/// Of a torn record it is anything. One from the future is not.
bool IsYoung(const ReadCacheRecord& record, int64_t now) {
  return static_cast<uint64_t>(now) - static_cast<uint64_t>(record.put_ns) <
         static_cast<uint64_t>(kCachedReplyAgeNs);
}

ReadCacheRecord LoadRecord(const uint64_t* words) {
  ReadCacheRecord record;
  CopyOut(words, {reinterpret_cast<char*>(&record), sizeof record});
  return record;
}

}  // namespace

ReadCacheParts ReadCacheParts::Of(uint8_t* memory) {
  ReadCacheParts parts;
  parts.header = reinterpret_cast<ReadCacheHeader*>(memory);
  parts.bucket_count = parts.header->buckets;
  parts.log_bytes = parts.header->log_bytes;
  parts.buckets = reinterpret_cast<ReadCacheBucket*>(memory + sizeof(ReadCacheHeader));
  parts.log = reinterpret_cast<uint64_t*>(memory + BytesBeforeLog(parts.bucket_count));
  return parts;
}

// ---- The owner's end

bool ReadCache::Open(size_t bytes) {
  const uint64_t buckets = std::bit_floor(bytes / kBytesPerEntry / kReadCacheWays);
  file_ = CreateMemoryForReaders("locus-reads", bytes, &memory_);
  if (!file_.valid()) return false;
  auto* header = reinterpret_cast<ReadCacheHeader*>(memory_.data());
  header->buckets = buckets;
  header->log_bytes = (bytes - ReadCacheParts::BytesBeforeLog(buckets)) / 8 * 8;
  parts_ = ReadCacheParts::Of(memory_.data());
  occupied_.assign(buckets, false);
  // 0 is no position.
  end_ = header->log_bytes;
  Allow(false);
  header->version = kVersion;
  header->magic = kMagic;
  return true;
}

void ReadCache::PublishValidFrom() {
  const bool counts = allowed_ && !suspended_;
  parts_.header->valid_from.store(counts ? valid_from_ : UINT64_MAX, std::memory_order_seq_cst);
}

void ReadCache::Allow(bool allowed) {
  if (parts_.header == nullptr) return;
  allowed_ = allowed;
  valid_from_ = end_;
  PublishValidFrom();
}

void ReadCache::Suspend() {
  if (parts_.header == nullptr || suspended_) return;
  suspended_ = true;
  PublishValidFrom();
}

void ReadCache::Resume() {
  if (!suspended_) return;
  suspended_ = false;
  PublishValidFrom();
}

ReadCacheRecord ReadCache::RecordAt(uint64_t position) const {
  return LoadRecord(parts_.log + position % parts_.log_bytes / 8);
}

// A key that is asked for once leaves no more than its tag, and takes the place of none that counts.
bool ReadCache::Wants(uint32_t reader, std::string_view key, int64_t now) {
  if (!allowed_ || suspended_ || key.size() > kCachedKeyBytesMax) return false;
  const uint64_t tag = TagOf(key);
  bool is_known = false;
  ReadCacheEntry* room = nullptr;
  for (ReadCacheEntry& entry : parts_.BucketOf(tag).entries) {
    const uint64_t other = entry.tag.load(std::memory_order_relaxed);
    const uint64_t position = entry.position.load(std::memory_order_relaxed);
    const bool is_there = IsThere(position);
    const ReadCacheRecord record = is_there ? RecordAt(position) : ReadCacheRecord{};
    const bool counts = is_there && IsYoung(record, now);
    if (other == tag) {
      if (counts && record.reader == reader) return false;
      is_known = true;
    }
    if (!counts && (room == nullptr || other == 0)) room = &entry;
  }
  if (is_known || room == nullptr) return is_known;
  room->position.store(0, std::memory_order_relaxed);
  room->tag.store(tag, std::memory_order_relaxed);
  return false;
}

/// Where the reply for `reader` goes: where it was, else where none is, else in place of the oldest.
ReadCacheEntry* ReadCache::EntryFor(ReadCacheBucket& bucket, uint64_t tag, uint32_t reader) {
  ReadCacheEntry* best = nullptr;
  uint64_t best_age = UINT64_MAX;
  for (ReadCacheEntry& entry : bucket.entries) {
    const uint64_t position = entry.position.load(std::memory_order_relaxed);
    const bool is_same = entry.tag.load(std::memory_order_relaxed) == tag;
    if (is_same && (!IsThere(position) || RecordAt(position).reader == reader)) return &entry;
    const uint64_t age = IsThere(position) ? position : 0;
    if (best != nullptr && age >= best_age) continue;
    best = &entry;
    best_age = age;
  }
  return best;
}

void ReadCache::Put(uint32_t reader, std::string_view key, std::string_view reply, int64_t now) {
  if (!allowed_ || suspended_ || key.size() > kCachedKeyBytesMax || reply.size() > kCachedReplyBytesMax) return;
  const uint64_t tag = TagOf(key);
  ReadCacheEntry* entry = EntryFor(parts_.BucketOf(tag), tag, reader);
  const ReadCacheRecord record = {now, reader, static_cast<uint32_t>(key.size()),
                                  static_cast<uint32_t>(reply.size()), 0};
  const uint64_t position = Log(record, key, reply);
  if (position == 0) return;
  // Whoever meets the old tag with the new place finds another key there.
  entry->tag.store(tag, std::memory_order_relaxed);
  entry->position.store(position, std::memory_order_release);
  occupied_[parts_.BucketIndex(tag)] = true;
  counters_.kept++;
}

/// The record's position; 0: it is too long.
uint64_t ReadCache::Log(const ReadCacheRecord& record, std::string_view key, std::string_view reply) {
  const uint64_t log_bytes = parts_.log_bytes;
  const uint64_t bytes = sizeof record + 8 * (Words(key.size()) + Words(reply.size()));
  if (bytes > log_bytes / kLogPerRecord) return 0;
  const uint64_t left = log_bytes - end_ % log_bytes;
  const uint64_t position = bytes <= left ? end_ : end_ + left;
  end_ = position + bytes;
  // Those that are overwritten are gone before the first of their bytes is.
  parts_.header->overwritten_to.store(end_ - log_bytes, std::memory_order_relaxed);
  if (end_ - log_bytes > valid_from_) {
    valid_from_ = end_ - log_bytes;
    parts_.header->valid_from.store(valid_from_, std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_release);
  uint64_t* to = parts_.log + position % log_bytes / 8;
  to = CopyIn({reinterpret_cast<const char*>(&record), sizeof record}, to);
  CopyIn(reply, CopyIn(key, to));
  return position;
}

void ReadCache::Forget(std::string_view key) {
  if (!allowed_) return;
  const uint64_t tag = TagOf(key);
  const size_t bucket = parts_.BucketIndex(tag);
  if (!occupied_[bucket]) return;
  bool others = false;
  for (ReadCacheEntry& entry : parts_.buckets[bucket].entries) {
    if (!IsThere(entry.position.load(std::memory_order_relaxed))) continue;
    if (entry.tag.load(std::memory_order_relaxed) != tag) {
      others = true;
      continue;
    }
    // Whoever has seen the reply to whoever changed it has come by more than this store: it is seen as well.
    entry.position.store(0, std::memory_order_seq_cst);
    counters_.forgotten++;
  }
  occupied_[bucket] = others;
}

void ReadCache::ForgetAll() {
  if (!allowed_) return;
  valid_from_ = end_;
  PublishValidFrom();
  counters_.forgot_all++;
}

// ---- A host's end

std::string ReadCacheView::Attach(int fd) {
  const std::optional<size_t> bytes = SealedMemoryBytes(fd);
  if (!bytes || *bytes < kReadCacheBytesMin) return "the read cache is not sealed, or too small";
  memory_ = Mapping::MapForReading(fd, *bytes);
  if (memory_.data() == nullptr) return "could not map the read cache";
  const auto* header = reinterpret_cast<const ReadCacheHeader*>(memory_.data());
  if (header->magic != kMagic || header->version != kVersion)
    return "the read cache is of another version";
  const ReadCacheParts parts = ReadCacheParts::Of(memory_.data());
  if (!std::has_single_bit(parts.bucket_count) || parts.bucket_count > *bytes || parts.log_bytes > *bytes ||
      parts.log_bytes == 0 || parts.log_bytes % 8 != 0 ||
      ReadCacheParts::BytesBeforeLog(parts.bucket_count) + parts.log_bytes > *bytes)
    return "the read cache has another size than its header says";
  parts_ = parts;
  return "";
}

SoughtKey::SoughtKey(std::string_view key)
    : key(key), tag(key.size() <= kCachedKeyBytesMax ? TagOf(key) : 0) {}

void ReadCacheView::Prefetch(const SoughtKey& sought) const {
  locus::Prefetch(&parts_.BucketOf(sought.tag));
}

uint64_t ReadCacheView::PrefetchReply(const SoughtKey& sought) const {
  for (const ReadCacheEntry& entry : parts_.BucketOf(sought.tag).entries) {
    if (entry.tag.load(std::memory_order_relaxed) != sought.tag) continue;
    const uint64_t position = entry.position.load(std::memory_order_relaxed);
    const uint64_t* words = position == 0 ? nullptr : WordsAt(position, sizeof(ReadCacheRecord));
    if (words == nullptr) continue;
    locus::Prefetch(words);
    return position;
  }
  return 0;
}

bool ReadCacheView::Find(uint32_t reader, const SoughtKey& sought, int64_t now, FoundReply* found) const {
  if (sought.tag == 0) return false;
  for (const ReadCacheEntry& entry : parts_.BucketOf(sought.tag).entries) {
    if (entry.tag.load(std::memory_order_relaxed) != sought.tag) continue;
    const uint64_t position = entry.position.load(std::memory_order_acquire);
    if (position == 0 || !IsReplyTo(position, reader, sought.key, now, &found->bytes)) continue;
    found->position = position;
    if (Stands(entry, position)) return true;
  }
  return false;
}

bool ReadCacheView::Copy(const FoundReply& found, std::string* replies) const {
  const uint64_t* record = WordsAt(found.position, sizeof(ReadCacheRecord));
  if (record == nullptr) return false;
  const size_t words_before = Words(sizeof(ReadCacheRecord)) + Words(LoadRecord(record).key_bytes);
  if (WordsAt(found.position, 8 * words_before + found.bytes) == nullptr) return false;
  const size_t before = replies->size();
  replies->resize(before + found.bytes);
  CopyOut(record + words_before, std::span(*replies).subspan(before));
  std::atomic_thread_fence(std::memory_order_acquire);
  if (parts_.header->overwritten_to.load(std::memory_order_relaxed) <= found.position) return true;
  replies->resize(before);
  return false;
}

/// Null where no record of so many bytes can lie.
const uint64_t* ReadCacheView::WordsAt(uint64_t position, size_t bytes) const {
  const uint64_t at = position % parts_.log_bytes;
  if (at % 8 != 0 || parts_.log_bytes - at < bytes) return nullptr;
  return parts_.log + at / 8;
}

/// Until it is known to stand where it did, any of it may be wrong.
bool ReadCacheView::IsReplyTo(uint64_t position, uint32_t reader, std::string_view key, int64_t now,
                              uint32_t* reply_bytes) const {
  const uint64_t* words = WordsAt(position, sizeof(ReadCacheRecord) + 8 * Words(key.size()));
  if (words == nullptr) return false;
  const ReadCacheRecord record = LoadRecord(words);
  *reply_bytes = record.reply_bytes;
  return record.reader == reader && record.key_bytes == key.size() && IsYoung(record, now) &&
         record.reply_bytes > 0 && record.reply_bytes <= kCachedReplyBytesMax && IsSame(words + Words(sizeof record), key);
}

/// Whether what was read of the record before is whole, and right at this moment: it has its place and its bytes.
bool ReadCacheView::Stands(const ReadCacheEntry& entry, uint64_t position) const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.position.load(std::memory_order_relaxed) == position &&
         parts_.header->valid_from.load(std::memory_order_relaxed) <= position;
}

}  // namespace locus
