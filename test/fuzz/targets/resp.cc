// A stream of replies as a socket brings it, in chunks: where each ends does not depend on the chunks, and
// decoding it makes no more values than it has bytes.
#include "resp.h"

#include <vector>

#include "reply_decoder.h"
#include "target.h"

namespace locus {
namespace {

/// Small, so that replies pass it.
constexpr uint64_t kReplyBytesMax = 256;

/// Counts what is made.
struct CountedValues {
  using Value = int;

  size_t* made;

  Value Null() const { return Made(); }
  Value Integer(int64_t) const { return Made(); }
  Value Array(const Value*, size_t) const { return Made(); }
  Value Object() const { return Made(); }
  bool Text(std::string_view text, Value* value) const {
    // Every byte is there to be read.
    *value = static_cast<int>(std::count(text.begin(), text.end(), 'x'));
    Made();
    return true;
  }
  bool Bytes(std::string_view bytes, Value* value) const { return Text(bytes, value); }
  bool Error(std::string_view text, Value* value) const { return Text(text, value); }
  bool SetMember(Value*, const Value&, const Value&) const { return true; }
  int Made() const { return static_cast<int>(++*made); }
};

struct End {
  RespScanner::Found found;
  size_t at;  ///< in the stream

  bool operator==(const End& other) const {
    return found.state == other.found.state && found.push == other.found.push &&
           found.too_large == other.found.too_large && at == other.at;
  }
};
using Ends = std::vector<End>;

/// Where replies end, as far as they go, when the bytes come in pieces of this size.
Ends Scan(std::string_view stream, size_t chunk) {
  Ends ends;
  RespScanner scanner(kReplyBytesMax);
  size_t begin = 0;
  for (size_t there = std::min(chunk, stream.size());; there = std::min(there + chunk, stream.size())) {
    for (;;) {
      const RespScanner::Found found = scanner.Next(stream.substr(begin, there - begin));
      EXPECT(found.end <= there - begin);
      begin += found.end;
      if (found.state == RespRead::kNeedMore) break;
      ends.push_back({found, found.state == RespRead::kOk ? begin : 0});
      if (found.state == RespRead::kBroken) return ends;
    }
    if (there == stream.size()) return ends;
  }
}

}  // namespace
}  // namespace locus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Input input(data, size);
  const auto how = input.Take<uint8_t>();
  const std::string_view stream = input.TakeRest();
  const Ends ends = Scan(stream, stream.size() + 1);
  const Ends in_pieces = Scan(stream, 1 + (how >> 3));
  // What is broken may be seen before the bytes in front of it are all there, and is broken either way.
  EXPECT(ends == in_pieces);
  size_t begin = 0;
  for (const auto& [found, end] : ends) {
    if (found.state != RespRead::kOk) break;
    const std::string_view reply = stream.substr(begin, end - begin);
    begin = end;
    if (found.too_large) continue;
    size_t made = 0;
    int value = 0;
    ReplyDecoder<CountedValues> decoder({&made}, reply, (how & 4) != 0);
    if (decoder.Read(static_cast<ReplyShape>(how & 3), &value)) EXPECT(decoder.position() <= reply.size());
    EXPECT(made <= reply.size());
  }
  return 0;
}
