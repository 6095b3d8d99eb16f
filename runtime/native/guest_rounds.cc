#include "guest_rounds.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "guest_values.h"
#include "lane.h"
#include "read_set.h"
#include "resp.h"

namespace locus {

namespace {

/// What is kept of what is used again.
constexpr size_t kKeepBytes = 16 * 1024;
constexpr size_t kKeepValues = 256;

/// The very reply that the value was made of (`FoundReads::Know`): `KeptReads` has counted its bytes.
void AppendReply(std::string* to, v8::Isolate* isolate, v8::Local<v8::Primitive> value) {
  if (!value->IsString()) {
    to->append(kCachedNullReply);
    return;
  }
  const v8::Local<v8::String> text = value.As<v8::String>();
  AppendBulk(to, Utf8Of(isolate, text, text->Utf8LengthV2(isolate)));
}

}  // namespace

void KeptReads::Add(PendingRound* round) {
  size_t found_bytes = 0;
  for (const PendingOperation& operation : round->operations) {
    if (!operation.found_value.IsEmpty()) found_bytes += operation.found.bytes;
  }
  const ReadRoundHeader header = {static_cast<uint32_t>(round->operations.size()),
                                  static_cast<uint32_t>(round->commands.size()),
                                  static_cast<uint32_t>(round->replies.size())};
  const size_t bytes = sizeof header + round->commands.size() + round->replies.size();
  full_ |= bytes_.size() + value_bytes_ + bytes + found_bytes > kReadSetBytesMax;
  if (full_) return;
  bytes_.append(reinterpret_cast<const char*>(&header), sizeof header).append(round->commands);
  size_t at = bytes_.size();
  bytes_.append(round->replies);
  if (found_bytes == 0) return;
  value_bytes_ += found_bytes;
  RespScanner scanner(kReadSetBytesMax);
  for (PendingOperation& operation : round->operations) {
    if (operation.found_value.IsEmpty()) {
      at += scanner.Next(std::string_view(bytes_).substr(at)).end;
    } else {
      values_.push_back({at, std::move(operation.found_value)});
    }
  }
}

std::string KeptReads::ReadSet(v8::Isolate* isolate) const {
  if (values_.empty()) return bytes_;
  const v8::HandleScope scope(isolate);
  std::string read_set;
  auto value = values_.begin();
  for (size_t from = 0; from < bytes_.size();) {
    ReadRoundHeader header;
    std::memcpy(&header, bytes_.data() + from, sizeof header);
    const size_t header_at = read_set.size();
    size_t next = from + sizeof header + header.commands_bytes;
    read_set.append(bytes_, from, next - from);
    const size_t replies_at = read_set.size();
    from = next + header.replies_bytes;
    for (; value != values_.end() && value->at <= from; ++value) {
      read_set.append(bytes_, next, value->at - next);
      next = value->at;
      AppendReply(&read_set, isolate, value->value.Get(isolate));
    }
    read_set.append(bytes_, next, from - next);
    header.replies_bytes = static_cast<uint32_t>(read_set.size() - replies_at);
    std::memcpy(read_set.data() + header_at, &header, sizeof header);
  }
  return read_set;
}

void KeptReads::Clear() {
  bytes_.clear();
  if (bytes_.capacity() > kKeepBytes) bytes_.shrink_to_fit();
  values_.clear();
  if (values_.capacity() > kKeepValues) values_.shrink_to_fit();
  value_bytes_ = 0;
  full_ = false;
}

}  // namespace locus
