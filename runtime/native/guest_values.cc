#include "guest_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace locus {

namespace {

using v8::Local;
using v8::Value;

constexpr double kSafeIntegerMax = 9007199254740991.0;

/// Keeps the key of the private code alive per isolate through V8's own registry of private symbols.
Local<v8::Private> CodeKey(v8::Isolate* isolate) {
  return v8::Private::ForApi(isolate, Text(isolate, "locus:code"));
}

/// Reads one complete value after another from bytes that hold whole replies.
class Decoder {
 public:
  Decoder(v8::Isolate* isolate, Local<v8::Context> context, std::string_view bytes, bool binary)
      : isolate_(isolate), context_(context), bytes_(bytes), binary_(binary) {}

  size_t position() const { return position_; }
  bool is_error() const { return is_error_; }

  /// Whether a map, a set or an array comes next; its elements (a map's keys and values) are then counted.
  bool PeekAggregate(int64_t* elements) {
    if (!SkipAttributes()) return false;
    const size_t before = position_;
    char type = 0;
    if (!TakeType(&type)) return false;
    const bool aggregate =
        (type == '*' || type == '~' || type == '%') && TakeCount(type, elements) && *elements >= 0;
    if (!aggregate) position_ = before;
    return aggregate;
  }

  bool Decode(Local<Value>* value) {
    if (depth_ > kRespDepthMax || !SkipAttributes()) return false;
    char type = 0;
    if (!TakeType(&type)) return false;
    std::string_view text;
    int64_t count = 0;
    is_error_ = false;
    switch (type) {
      case '+':
      case ',':
        return Line(&text) && String(text, value);
      case '(':
        // ioredis gives big numbers as text in both forms.
        return Line(&text) && Utf8(text, value);
      case '-':
        is_error_ = true;
        return Line(&text) && Error(text, value);
      case '!':
        is_error_ = true;
        return Bulk(&text, &count) && count >= 0 && Error(text, value);
      case ':':
        return Line(&text) && Number(text, value);
      case '#':
        *value = v8::Integer::New(isolate_, 0);
        if (!Line(&text) || (text != "t" && text != "f")) return false;
        *value = v8::Integer::New(isolate_, text == "t" ? 1 : 0);
        return true;
      case '_':
        *value = v8::Null(isolate_);
        return Line(&text) && text.empty();
      case '$':
        if (!Bulk(&text, &count)) return false;
        if (count < 0) {
          *value = v8::Null(isolate_);
          return true;
        }
        return String(text, value);
      case '=':
        // "txt:" or "mkd:" precedes the text.
        return Bulk(&text, &count) && text.size() >= 4 && text[3] == ':' && String(text.substr(4), value);
      case '*':
      case '~':
      case '%':
        if (!TakeCount(type, &count) || (count < 0 && type != '*')) return false;
        if (count < 0) {
          *value = v8::Null(isolate_);
          return true;
        }
        return Elements(count, value);
      default:
        return false;
    }
  }

  bool Elements(int64_t count, Local<Value>* value) {
    depth_++;
    std::vector<Local<Value>> items(static_cast<size_t>(count));
    for (Local<Value>& item : items) {
      if (!Decode(&item)) return false;
    }
    depth_--;
    is_error_ = false;
    *value = v8::Array::New(isolate_, items.data(), items.size());
    return true;
  }

  /// `elements` alternating names and values as an object of the guest's realm.
  bool Object(int64_t elements, Local<Value>* value) {
    const Local<v8::Object> object = v8::Object::New(isolate_);
    for (int64_t i = 0; i + 1 < elements; i += 2) {
      Local<Value> key, item;
      if (!Decode(&key)) return false;
      // A byte array's name is its text, as its own conversion to a property name would give it.
      if (!key->IsString() && !Utf8(last_text_, &key)) return false;
      const Local<v8::String> name = key.As<v8::String>();
      if (!Decode(&item)) return false;
      if (object->CreateDataProperty(context_, name, item).IsNothing()) return false;
    }
    is_error_ = false;
    *value = object;
    return true;
  }

  /// One level of nesting taken away.
  bool Flattened(int64_t elements, Local<Value>* value) {
    std::vector<Local<Value>> items;
    items.reserve(static_cast<size_t>(elements));
    for (int64_t i = 0; i < elements; i++) {
      int64_t inner = 0;
      const bool nested = PeekAggregate(&inner);
      for (int64_t j = 0; j < (nested ? inner : 1); j++) {
        Local<Value> item;
        if (!Decode(&item)) return false;
        items.push_back(item);
      }
    }
    is_error_ = false;
    *value = v8::Array::New(isolate_, items.data(), items.size());
    return true;
  }

  /// Alternating names and values as an array of [name, value].
  bool Wrapped(int64_t elements, Local<Value>* value) {
    std::vector<Local<Value>> items;
    for (int64_t i = 0; i + 1 < elements; i += 2) {
      Local<Value> pair[2];
      if (!Decode(&pair[0]) || !Decode(&pair[1])) return false;
      items.push_back(v8::Array::New(isolate_, pair, 2));
    }
    is_error_ = false;
    *value = v8::Array::New(isolate_, items.data(), items.size());
    return true;
  }

  /// Out-of-band messages that stand before the reply.
  bool SkipPushes() {
    while (position_ < bytes_.size() && bytes_[position_] == '>') {
      position_++;
      int64_t count = 0;
      Local<Value> ignored;
      if (!TakeCount('>', &count) || count < 0 || !Elements(count, &ignored)) return false;
    }
    return true;
  }
  bool PeekMap() const { return position_ < bytes_.size() && bytes_[position_] == '%'; }
  bool SkipAttributes() {
    while (position_ < bytes_.size() && bytes_[position_] == '|') {
      position_++;
      int64_t pairs = 0;
      if (ReadRespLength(bytes_, &position_, Left() / 6, &pairs) != RespRead::kOk) return false;
      depth_++;
      for (int64_t i = 0; i < pairs * 2; i++) {
        Local<Value> ignored;
        if (!Decode(&ignored)) return false;
      }
      depth_--;
    }
    return true;
  }

 private:
  int64_t Left() const { return static_cast<int64_t>(bytes_.size() - position_); }
  bool TakeType(char* type) {
    if (position_ >= bytes_.size()) return false;
    *type = bytes_[position_++];
    return true;
  }
  bool TakeCount(char type, int64_t* count) {
    // No element is shorter than three bytes, so that a count is bounded by what is there.
    const int64_t max = Left() / (type == '%' ? 6 : 3) + 1;
    if (ReadRespLength(bytes_, &position_, max, count) != RespRead::kOk) return false;
    if (type == '%' && *count > 0) *count *= 2;
    return true;
  }
  bool Line(std::string_view* text) { return ReadRespLine(bytes_, &position_, text) == RespRead::kOk; }
  bool Bulk(std::string_view* text, int64_t* length) {
    if (ReadRespLength(bytes_, &position_, Left(), length) != RespRead::kOk) return false;
    if (*length < 0) return true;
    if (*length + 2 > Left()) return false;
    *text = bytes_.substr(position_, static_cast<size_t>(*length));
    if (bytes_.substr(position_ + text->size(), 2) != "\r\n") return false;
    position_ += static_cast<size_t>(*length) + 2;
    return true;
  }
  bool Utf8(std::string_view text, Local<Value>* value) {
    Local<v8::String> string;
    if (!MakeString(isolate_, text).ToLocal(&string)) return false;
    *value = string;
    return true;
  }
  bool String(std::string_view text, Local<Value>* value) {
    last_text_ = text;
    if (!binary_) return Utf8(text, value);
    const Local<v8::ArrayBuffer> buffer = v8::ArrayBuffer::New(isolate_, text.size());
    if (!text.empty()) std::memcpy(buffer->Data(), text.data(), text.size());
    *value = v8::Uint8Array::New(buffer, 0, text.size());
    return true;
  }
  bool Error(std::string_view text, Local<Value>* value) {
    Local<v8::String> message;
    if (!MakeString(isolate_, text).ToLocal(&message)) return false;
    const Local<v8::Object> error = v8::Exception::Error(message).As<v8::Object>();
    *value = error;
    return !error->CreateDataProperty(context_, Text(isolate_, "name"), Text(isolate_, "ReplyError"))
                .IsNothing();
  }
  /// The double nearest to the 64-bit integer.
  bool Number(std::string_view text, Local<Value>* value) {
    if (!text.empty() && text[0] == '+') text.remove_prefix(1);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    *value = v8::Number::New(isolate_, static_cast<double>(number));
    return true;
  }

  v8::Isolate* isolate_;
  Local<v8::Context> context_;
  std::string_view bytes_;
  bool binary_;
  size_t position_ = 0;
  size_t depth_ = 0;
  bool is_error_ = false;
  std::string_view last_text_;
};

}  // namespace

v8::MaybeLocal<v8::String> MakeString(v8::Isolate* isolate, std::string_view utf8) {
  if (utf8.size() > static_cast<size_t>(v8::String::kMaxLength)) return {};
  return v8::String::NewFromUtf8(isolate, utf8.data(), v8::NewStringType::kNormal,
                                 static_cast<int>(utf8.size()));
}

std::string Utf8Of(v8::Isolate* isolate, Local<v8::String> text, size_t bytes_max) {
  const size_t room = std::min<size_t>(static_cast<size_t>(text->Length()) * 3, bytes_max);
  std::string bytes(room, '\0');
  bytes.resize(text->WriteUtf8V2(isolate, bytes.data(), room, v8::String::WriteFlags::kReplaceInvalidUtf8));
  return bytes;
}

Local<v8::String> Text(v8::Isolate* isolate, std::string_view text) {
  return v8::String::NewFromUtf8(isolate, text.data(), v8::NewStringType::kInternalized,
                                 static_cast<int>(text.size()))
      .ToLocalChecked();
}

Local<Value> MakeError(v8::Isolate* isolate, Code code, std::string_view message) {
  const Local<v8::Context> context = isolate->GetCurrentContext();
  Local<v8::String> text;
  if (!MakeString(isolate, message).ToLocal(&text)) text = v8::String::Empty(isolate);
  const Local<v8::Object> error = v8::Exception::Error(text).As<v8::Object>();
  error->CreateDataProperty(context, Text(isolate, "code"), Text(isolate, CodeName(code))).Check();
  error
      ->SetPrivate(context, CodeKey(isolate),
                   v8::Integer::NewFromUnsigned(isolate, static_cast<uint32_t>(code)))
      .Check();
  return error;
}

Code CodeOfError(Local<v8::Context> context, Local<Value> error, Code otherwise) {
  if (!error->IsObject()) return otherwise;
  Local<Value> code;
  if (!error.As<v8::Object>()->GetPrivate(context, CodeKey(v8::Isolate::GetCurrent())).ToLocal(&code))
    return otherwise;
  return code->IsUint32() ? static_cast<Code>(code.As<v8::Uint32>()->Value()) : otherwise;
}

bool DecodeReply(v8::Isolate* isolate, Local<v8::Context> context, std::string_view* bytes, ReplyShape shape,
                 bool binary, DecodedReply* reply) {
  Decoder decoder(isolate, context, *bytes, binary);
  int64_t elements = 0;
  bool ok = false;
  if (!decoder.SkipPushes() || !decoder.SkipAttributes()) return false;
  const bool map = decoder.PeekMap();
  if (shape != ReplyShape::kPlain && (shape != ReplyShape::kStreams || map) &&
      decoder.PeekAggregate(&elements)) {
    switch (shape) {
      case ReplyShape::kObject:
        ok = decoder.Object(elements, &reply->value);
        break;
      case ReplyShape::kPairs:
        ok = decoder.Flattened(elements, &reply->value);
        break;
      case ReplyShape::kStreams:
        ok = decoder.Wrapped(elements, &reply->value);
        break;
      case ReplyShape::kPlain:
        break;
    }
  } else {
    ok = decoder.Decode(&reply->value);
  }
  reply->is_error = decoder.is_error();
  bytes->remove_prefix(std::min(decoder.position(), bytes->size()));
  return ok;
}

bool AppendArgument(v8::Isolate* isolate, Local<v8::Context> context, Local<Value> value, size_t bytes_max,
                    std::string* to) {
  const size_t before = to->size();
  // What is too large is not copied: the growth alone says so.
  const auto too_large = [&] {
    to->resize(before + bytes_max + 1);
    return false;
  };
  if (value->IsNullOrUndefined()) return true;
  if (value->IsUint8Array()) {
    const Local<v8::Uint8Array> array = value.As<v8::Uint8Array>();
    const size_t bytes = array->ByteLength();
    if (bytes > bytes_max) return too_large();
    to->resize(before + bytes);
    array->CopyContents(to->data() + before, bytes);
    return true;
  }
  if (value->IsFunction()) {
    isolate->ThrowException(
        v8::Exception::TypeError(Text(isolate, "a callback was passed: methods of redis return promises")));
    return false;
  }
  Local<v8::String> text;
  if (value->IsString()) {
    text = value.As<v8::String>();
  } else if (value->IsNumber() && std::abs(value.As<v8::Number>()->Value()) > kSafeIntegerMax &&
             std::isfinite(value.As<v8::Number>()->Value())) {
    // An integer that a double cannot hold exactly goes as its digits, not in exponent form (as ioredis
    // does).
    char digits[400];
    to->append(digits,
               static_cast<size_t>(snprintf(digits, sizeof digits, "%.0f", value.As<v8::Number>()->Value())));
    return true;
  } else if (!value->ToString(context).ToLocal(&text)) {
    return false;
  }
  const auto characters = static_cast<size_t>(text->Length());
  if (characters > bytes_max) return too_large();
  to->resize(before + characters * 3);
  const size_t bytes = text->WriteUtf8V2(isolate, to->data() + before, characters * 3,
                                         v8::String::WriteFlags::kReplaceInvalidUtf8);
  if (bytes > bytes_max) return too_large();
  to->resize(before + bytes);
  return true;
}

}  // namespace locus
