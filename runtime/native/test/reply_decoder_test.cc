// The decoder of replies, asked by test/fuzz/agreement.test.ts, which asks the one in TypeScript the same.
// Each line of standard input is a question, `SHAPE BINARY HEX` (shape by number, binary 1 or 0); each line
// of standard output the answer: `incomplete`, `malformed`, or `value END JSON`. In the JSON an integer is
// {"i": text}, a text {"t": hex}, bytes {"b": hex}, an error {"e": hex}, an object {"o": [[hex, value], …]}.
#include "reply_decoder.h"

#include <iostream>
#include <string>

namespace {

using locus::ReplyDecoder;
using locus::ReplyShape;
using locus::RespRead;
using locus::RespScanner;

/// As every connection has it.
constexpr uint64_t kReplyBytesMax = 64 << 20;

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) {
    hex.push_back("0123456789abcdef"[static_cast<unsigned char>(byte) >> 4]);
    hex.push_back("0123456789abcdef"[byte & 15]);
  }
  return hex;
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

std::string Join(const std::string* items, size_t count) {
  std::string joined = "[";
  for (size_t i = 0; i < count; i++) joined.append(i > 0 ? "," : "").append(items[i]);
  return joined + "]";
}

struct JsonValues {
  using Value = std::string;

  Value Null() const { return "null"; }
  Value Integer(int64_t number) const { return "{\"i\":\"" + std::to_string(number) + "\"}"; }
  Value Array(Value* items, size_t count) const { return Join(items, count); }
  Value Object() const { return "{\"o\":[]}"; }
  bool Text(std::string_view text, Value* value) const { return Tag('t', text, value); }
  bool Bytes(std::string_view bytes, Value* value) const { return Tag('b', bytes, value); }
  bool Error(std::string_view text, Value* value) const { return Tag('e', text, value); }
  bool SetMember(Value* object, const Value& name, const Value& item) const {
    object->resize(object->size() - 2);
    object->append(object->back() == '[' ? "" : ",").append("[").append(name).append(",").append(item);
    object->append("]]}");
    return true;
  }
  static bool Tag(char tag, std::string_view bytes, Value* value) {
    *value = std::string("{\"") + tag + "\":\"" + Hex(bytes) + "\"}";
    return true;
  }
};

/// Where the first reply ends that is no push; 0 when it is not there yet, -1 when none can be.
int64_t EndOfReply(std::string_view bytes) {
  RespScanner scanner(kReplyBytesMax);
  size_t begin = 0;
  for (;;) {
    const RespScanner::Found found = scanner.Next(bytes.substr(begin));
    if (found.state == RespRead::kBroken || found.too_large) return -1;
    if (found.state == RespRead::kNeedMore) return 0;
    begin += found.end;
    if (!found.push) return static_cast<int64_t>(begin);
  }
}

std::string Answer(ReplyShape shape, bool binary, std::string_view bytes) {
  const int64_t end = EndOfReply(bytes);
  if (end == 0) return "incomplete";
  if (end < 0) return "malformed";
  std::string value;
  ReplyDecoder<JsonValues> decoder({}, bytes.substr(0, static_cast<size_t>(end)), binary);
  if (!decoder.Read(shape, &value)) return "malformed";
  return "value " + std::to_string(decoder.position()) + " " + value;
}

}  // namespace

int main() {
  int shape = 0;
  bool binary = false;
  for (std::string hex; std::cin >> shape >> binary >> hex;)
    std::cout << Answer(static_cast<ReplyShape>(shape), binary, FromHex(hex == "-" ? "" : hex)) << "\n";
}
