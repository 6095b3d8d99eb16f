// A stream of replies as a socket brings it, in chunks: where each ends does not depend on the chunks, and
// decoding it makes no more values than it has bytes.
#include "resp.h"

#include <vector>

#include "reply_decoder.h"
#include "target.h"

namespace locus {
namespace {

constexpr uint64_t kReplyBytesMax = 1 << 20;

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

using Ends = std::vector<std::pair<RespRead, size_t>>;

/// Where replies end, as far as they go, when the bytes come in pieces of this size.
Ends Scan(std::string_view stream, size_t chunk) {
  Ends ends;
  RespScanner scanner(kReplyBytesMax);
  size_t begin = 0;
  for (size_t there = std::min(chunk, stream.size());; there = std::min(there + chunk, stream.size())) {
    for (;;) {
      const RespScanner::Found found = scanner.Next(stream.substr(begin, there - begin));
      if (found.state == RespRead::kNeedMore) break;
      ends.emplace_back(found.state, begin + found.end);
      if (found.state == RespRead::kBroken) return ends;
      EXPECT(found.end > 0 && begin + found.end <= there);
      begin += found.end;
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
  for (const auto& [state, end] : ends) {
    if (state != RespRead::kOk) break;
    const std::string_view reply = stream.substr(begin, end - begin);
    size_t made = 0;
    int value = 0;
    ReplyDecoder<CountedValues> decoder({&made}, reply, (how & 4) != 0);
    if (decoder.Read(static_cast<ReplyShape>(how & 3), &value)) EXPECT(decoder.position() <= reply.size());
    EXPECT(made <= reply.size());
    begin = end;
  }
  return 0;
}
