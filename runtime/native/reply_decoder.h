// From the bytes of whole replies to values, in the shapes of the ioredis contract (docs/channel.md). What a
// value is, the maker knows: V8's in an isolate, JSON where the decoder is compared with the one in
// TypeScript (runtime/channel/reply.ts), which reads every reply as this one does.
//
// A maker has `Value` and
//   Value Null(), Integer(int64_t), Array(Value*, size_t), Object()
//   bool Text(std::string_view, Value*)    what is no UTF-8 is replaced; false where it does not fit
//   bool Bytes(std::string_view, Value*), bool Error(std::string_view, Value*)
//   bool SetMember(Value* object, const Value& name, const Value& item)
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "command_table.h"
#include "resp.h"

namespace locus {

template <typename Maker>
class ReplyDecoder {
 public:
  using Value = typename Maker::Value;

  /// `binary`: texts come as bytes.
  ReplyDecoder(Maker maker, std::string_view bytes, bool binary)
      : maker_(maker), bytes_(bytes), binary_(binary) {}

  /// The reply that comes next, past pushes and attributes. False when it is none.
  bool Read(ReplyShape shape, Value* value) {
    int64_t elements = 0;
    if (!SkipPushes() || !SkipAttributes()) return false;
    if (shape == ReplyShape::kPlain || !PeekAggregate(&elements)) return Decode(value);
    depth_++;
    is_error_ = false;
    switch (shape) {
      case ReplyShape::kObject:
        return Object(elements, value);
      case ReplyShape::kPairs:
        return Flattened(elements, value);
      case ReplyShape::kStreams:
        return InTwos(elements, value);
      case ReplyShape::kPlain:
        break;
    }
    return false;
  }
  /// Where the next one begins.
  size_t position() const { return position_; }
  /// Whether what was read is an error.
  bool is_error() const { return is_error_; }

 private:
  /// Whether a map, a set or an array comes next; its elements (a map's keys and values) are then counted.
  bool PeekAggregate(int64_t* elements) {
    const size_t before = position_;
    char type = 0;
    if (!TakeType(&type)) return false;
    const bool aggregate =
        (type == '*' || type == '~' || type == '%') && TakeCount(type, elements) && *elements >= 0;
    if (!aggregate) position_ = before;
    return aggregate;
  }

  bool Decode(Value* value) {
    if (!SkipAttributes()) return false;
    char type = 0;
    if (!TakeType(&type)) return false;
    std::string_view text;
    int64_t count = 0;
    is_error_ = false;
    switch (type) {
      case '+':
      case ',':
        return Line(&text) && TextOrBytes(text, value);
      case '(':
        // ioredis gives big numbers as text in both forms.
        return Line(&text) && maker_.Text(text, value);
      case '-':
        is_error_ = true;
        return Line(&text) && maker_.Error(text, value);
      case '!':
        is_error_ = true;
        return Bulk(type, &text, &count) && maker_.Error(text, value);
      case ':':
        return Line(&text) && Integer(text, value);
      case '#':
        if (!Line(&text) || (text != "t" && text != "f")) return false;
        *value = maker_.Integer(text == "t" ? 1 : 0);
        return true;
      case '_':
        *value = maker_.Null();
        return Line(&text) && text.empty();
      case '$':
        if (!Bulk(type, &text, &count)) return false;
        if (count >= 0) return TextOrBytes(text, value);
        *value = maker_.Null();
        return true;
      case '=':
        // "txt:" or "mkd:" precedes the text.
        return Bulk(type, &text, &count) && text.size() >= 4 && text[3] == ':' &&
               TextOrBytes(text.substr(4), value);
      case '*':
      case '~':
      case '%':
        if (!TakeCount(type, &count)) return false;
        if (count >= 0) return Elements(count, value);
        *value = maker_.Null();
        return true;
      default:
        return false;
    }
  }

  bool Elements(int64_t count, Value* value) {
    if (++depth_ > kRespDepthMax) return false;
    std::vector<Value> items;
    // What is announced may never come; what grows here has come.
    items.reserve(static_cast<size_t>(std::min<int64_t>(count, kReserveMax)));
    for (int64_t i = 0; i < count; i++) {
      Value item;
      if (!Decode(&item)) return false;
      items.push_back(item);
    }
    depth_--;
    is_error_ = false;
    *value = maker_.Array(items.data(), items.size());
    return true;
  }

  /// `elements` alternating names and values.
  bool Object(int64_t elements, Value* value) {
    *value = maker_.Object();
    for (int64_t i = 0; i < elements; i += 2) {
      Value name;
      Value item = maker_.Null();
      if (!DecodeName(&name) || (i + 1 < elements && !Decode(&item))) return false;
      if (!maker_.SetMember(value, name, item)) return false;
    }
    is_error_ = false;
    return true;
  }

  /// A member's name is text in both forms, and nothing else.
  bool DecodeName(Value* name) {
    if (!SkipAttributes() || position_ >= bytes_.size()) return false;
    if (std::string_view("+,$=(").find(bytes_[position_]) == std::string_view::npos) return false;
    if (bytes_.substr(position_, 2) == "$-") return false;
    const bool binary = binary_;
    binary_ = false;
    const bool read = Decode(name);
    binary_ = binary;
    return read;
  }

  /// One level of nesting taken away.
  bool Flattened(int64_t elements, Value* value) {
    std::vector<Value> items;
    for (int64_t i = 0; i < elements; i++) {
      int64_t inner = 0;
      if (!SkipAttributes()) return false;
      const bool nested = PeekAggregate(&inner);
      if (nested) depth_++;
      for (int64_t j = 0; j < (nested ? inner : 1); j++) {
        Value item;
        if (!Decode(&item)) return false;
        items.push_back(item);
      }
      if (nested) depth_--;
    }
    is_error_ = false;
    *value = maker_.Array(items.data(), items.size());
    return true;
  }

  /// Arrays of two elements.
  bool InTwos(int64_t elements, Value* value) {
    std::vector<Value> items;
    for (int64_t i = 0; i < elements; i += 2) {
      Value pair[2];
      const size_t size = i + 1 < elements ? 2 : 1;
      if (!Decode(&pair[0]) || (size == 2 && !Decode(&pair[1]))) return false;
      items.push_back(maker_.Array(pair, size));
    }
    is_error_ = false;
    *value = maker_.Array(items.data(), items.size());
    return true;
  }

  /// Out-of-band messages that stand before the reply.
  bool SkipPushes() {
    while (position_ < bytes_.size() && bytes_[position_] == '>') {
      position_++;
      int64_t count = 0;
      Value ignored;
      if (!TakeCount('>', &count) || !Elements(count, &ignored)) return false;
    }
    return true;
  }

  bool SkipAttributes() {
    while (position_ < bytes_.size() && bytes_[position_] == '|') {
      position_++;
      int64_t count = 0;
      Value ignored;
      if (!TakeCount('|', &count) || !Elements(count, &ignored)) return false;
    }
    return true;
  }

  int64_t Left() const { return static_cast<int64_t>(bytes_.size() - position_); }
  bool TakeType(char* type) {
    if (position_ >= bytes_.size()) return false;
    *type = bytes_[position_++];
    return true;
  }
  bool TakeCount(char type, int64_t* count) {
    // No element is shorter than three bytes, so that a count is bounded by what is there.
    const bool pairs = type == '%' || type == '|';
    if (ReadRespLength(bytes_, type, Left() / (pairs ? 6 : 3), &position_, count) != RespRead::kOk)
      return false;
    if (pairs) *count *= 2;
    return true;
  }
  bool Line(std::string_view* text) { return ReadRespLine(bytes_, &position_, text) == RespRead::kOk; }
  bool Bulk(char type, std::string_view* text, int64_t* length) {
    if (ReadRespLength(bytes_, type, Left(), &position_, length) != RespRead::kOk) return false;
    if (*length < 0) return true;
    if (*length + 2 > Left()) return false;
    *text = bytes_.substr(position_, static_cast<size_t>(*length));
    if (bytes_.substr(position_ + text->size(), 2) != "\r\n") return false;
    position_ += text->size() + 2;
    return true;
  }
  bool TextOrBytes(std::string_view text, Value* value) {
    return binary_ ? maker_.Bytes(text, value) : maker_.Text(text, value);
  }
  bool Integer(std::string_view text, Value* value) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    *value = maker_.Integer(number);
    return true;
  }

  static constexpr int64_t kReserveMax = 1024;

  Maker maker_;
  std::string_view bytes_;
  bool binary_;
  size_t position_ = 0;
  size_t depth_ = 0;
  bool is_error_ = false;
};

}  // namespace locus
