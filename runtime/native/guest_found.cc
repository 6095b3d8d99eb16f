#include "guest_found.h"

#include <algorithm>
#include <charconv>

#include "bell.h"
#include "guest_values.h"
#include "lane.h"
#include "prefetch.h"

namespace locus {

namespace {

using v8::Local;

/// `*2\r\n$3\r\nget\r\n$`, in whatever case: what precedes the key's length in a GET.
constexpr size_t kGetBytes = 14;
/// Replies that were copied and wait to be handed over, of one round and of all of the isolate: as much as a reply
/// ring has, and as would wait there for four isolates. What is beyond goes to Redis.
constexpr size_t kFoundBytesMax = kReplyRingBytes;
constexpr size_t kWaitingBytesMax = 4 * kReplyRingBytes;
/// Look-ups for one round: a fraction of a millisecond, which no turn is charged for.
constexpr size_t kLookUpsMax = 4096;
/// What is kept of what is used again.
constexpr size_t kKeepBytes = 2 * kFoundBytesMax;

/// Values that are known, at least and at most, in groups. Chosen: the most are those of a graph of ten thousand
/// nodes, whose places take a quarter of a megabyte.
constexpr size_t kGroupsMin = 16;
constexpr size_t kGroupsMax = 4096;
/// What their texts take of the heap, at most, bytes; and what part of the isolate's own limit. Chosen, as is the next.
constexpr size_t kKnownBytesMax = 4 << 20;
constexpr size_t kHeapPerKnownBytes = 16;
/// What a text takes besides its characters.
constexpr size_t kTextBytes = 32;

size_t HeapLimitOf(v8::Isolate* isolate) {
  v8::HeapStatistics heap;
  isolate->GetHeapStatistics(&heap);
  return heap.heap_size_limit();
}

/// Of the heap.
size_t BytesOf(Local<v8::Primitive> value) {
  if (!value->IsString()) return kTextBytes;
  const Local<v8::String> text = value.As<v8::String>();
  return kTextBytes + static_cast<size_t>(text->Length()) * (text->IsOneByte() ? 1 : 2);
}

/// Whoever settles a promise with it looks at what kind of value it is.
void PrefetchValue(Local<v8::Primitive> value) {
  Prefetch(reinterpret_cast<const void*>(v8::internal::ValueHelper::ValueAsAddress(*value)));
}

/// The GET that the commands begin with, which is taken off them, and its key. They are as guest_operations.cc
/// wrote them.
std::string_view TakeGet(std::string_view* commands, std::string_view* key) {
  size_t bytes = 0;
  const char* const begin = commands->data();
  const char* const digits = begin + kGetBytes;
  const char* const text = std::from_chars(digits, begin + commands->size(), bytes).ptr + 2;
  *key = {text, bytes};
  const std::string_view command(begin, static_cast<size_t>(text - begin) + bytes + 2);
  commands->remove_prefix(command.size());
  return command;
}

}  // namespace

// ---- Values

KnownValues::KnownValues(v8::Isolate* isolate)
    : isolate_(isolate), bytes_max_(std::min(kKnownBytesMax, HeapLimitOf(isolate) / kHeapPerKnownBytes)) {}

/// Positions are multiples of 8 that follow each other as replies come: their low bits would do, but for lengths that
/// are alike.
size_t KnownValues::GroupOf(uint64_t position) const {
  return (position * 0x9e3779b97f4a7c15) >> 32 & (groups_.size() - 1);
}

void KnownValues::Prefetch(uint64_t position) const {
  if (!groups_.empty()) locus::Prefetch(&groups_[GroupOf(position)]);
}

v8::MaybeLocal<v8::Primitive> KnownValues::Get(uint64_t position) const {
  if (groups_.empty()) return {};
  const size_t group = GroupOf(position);
  for (size_t way = 0; way < kWays; way++) {
    if (groups_[group].places[way].position == position)
      return values_.Get(isolate_)->Get(isolate_, static_cast<int>(group * kWays + way));
  }
  return {};
}

void KnownValues::Put(uint64_t position, Local<v8::Primitive> value) {
  const size_t bytes = BytesOf(value);
  if (bytes > bytes_max_) return;
  if (count_ + 1 > groups_.size() * kWays * 3 / 4 && groups_.size() < kGroupsMax) {
    Clear(std::max(kGroupsMin, 2 * groups_.size()));
  } else if (bytes_ + bytes > bytes_max_) {
    Clear(groups_.size());
  }
  const size_t group = GroupOf(position);
  Place* const places = groups_[group].places;
  // Others may have been waiting for the same.
  if (std::any_of(places, places + kWays, [&](const Place& place) { return place.position == position; })) return;
  Place* const oldest =
      std::min_element(places, places + kWays,
                       [](const Place& one, const Place& other) { return one.position < other.position; });
  count_ += oldest->position == 0 ? 1 : 0;
  bytes_ += bytes - oldest->bytes;
  *oldest = {position, bytes};
  values_.Get(isolate_)->Set(isolate_, static_cast<int>(group * kWays + static_cast<size_t>(oldest - places)), value);
}

void KnownValues::Clear(size_t groups) {
  groups_.assign(groups, Group{});
  values_.Reset(isolate_, v8::PrimitiveArray::New(isolate_, static_cast<int>(groups * kWays)));
  count_ = 0;
  bytes_ = 0;
}

// ---- Reads

FoundReads::LookedUp FoundReads::LookUp(uint32_t reader, std::string_view commands, PendingRound* round) {
  const v8::HandleScope scope(isolate_);
  const int64_t now = NowNs();
  sought_.clear();
  missing_.clear();
  if (missing_.capacity() > kKeepBytes) missing_.shrink_to_fit();
  std::string_view rest = commands;
  while (!rest.empty() && sought_.size() < kLookUpsMax) {
    std::string_view key;
    const std::string_view command = TakeGet(&rest, &key);
    sought_.push_back({command, SoughtKey(key)});
    cache_->Prefetch(sought_.back().key);
  }
  for (const Sought& sought : sought_) {
    if (const uint64_t position = cache_->PrefetchReply(sought.key); position != 0) known_.Prefetch(position);
  }
  LookedUp looked_up;
  for (size_t i = 0; i < sought_.size(); i++) {
    PendingOperation& operation = round->operations[i];
    if (Find(reader, sought_[i].key, now, round, &operation)) {
      looked_up.found++;
      looked_up.known += operation.found_value.IsEmpty() ? 0 : 1;
    } else {
      missing_.append(sought_[i].command);
    }
  }
  waiting_bytes_ += round->found_replies.size();
  looked_up.missing = looked_up.found == 0 ? commands : missing_.append(rest);
  return looked_up;
}

bool FoundReads::Find(uint32_t reader, const SoughtKey& key, int64_t now, PendingRound* round,
                      PendingOperation* operation) {
  FoundReply found;
  if (!cache_->Find(reader, key, now, &found)) return false;
  Local<v8::Primitive> value;
  if (!operation->binary && known_.Get(found.position).ToLocal(&value)) {
    PrefetchValue(value);
    operation->found_value.Reset(isolate_, value);
  } else {
    const size_t before = round->found_replies.size();
    if (before >= kFoundBytesMax || waiting_bytes_ + before >= kWaitingBytesMax ||
        !cache_->Copy(found, &round->found_replies))
      return false;
  }
  operation->found = found;
  return true;
}

void FoundReads::Know(const PendingOperation& operation, std::string_view reply, Local<v8::Value> value) {
  if (operation.binary) return;
  if (value->IsString()) {
    // Of a text that is no UTF-8 the value does not tell what it was.
    const std::string text = Utf8Of(isolate_, value.As<v8::String>(), reply.size());
    if (!reply.ends_with("\r\n") || !reply.substr(0, reply.size() - 2).ends_with(text)) return;
  } else if (!value->IsNull() || reply != kCachedNullReply) {
    return;
  }
  known_.Put(operation.found.position, value.As<v8::Primitive>());
}

void FoundReads::Drop(PendingRound* round) {
  waiting_bytes_ -= round->found_replies.size();
  round->found_replies.clear();
  round->found_taken = 0;
}

}  // namespace locus
