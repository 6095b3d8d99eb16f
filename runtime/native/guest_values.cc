#include "guest_values.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "reply_decoder.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

constexpr double kSafeIntegerMax = 9007199254740991.0;

/// Keeps the key of the private code alive per isolate through V8's own registry of private symbols.
Local<v8::Private> CodeKey(v8::Isolate* isolate) {
  return v8::Private::ForApi(isolate, Text(isolate, "locus:code"));
}

/// Makes values of the guest's realm (reply_decoder.h).
class GuestValues {
 public:
  using Value = Local<v8::Value>;

  GuestValues(v8::Isolate* isolate, Local<v8::Context> context, bool* no_room)
      : isolate_(isolate), context_(context), no_room_(no_room) {}

  Value Null() const { return v8::Null(isolate_); }
  /// The nearest double.
  Value Integer(int64_t number) const { return v8::Number::New(isolate_, static_cast<double>(number)); }
  Value Array(Value* items, size_t count) const { return v8::Array::New(isolate_, items, count); }
  Value Object() const { return v8::Object::New(isolate_); }
  bool Text(std::string_view text, Value* value) const {
    Local<v8::String> string;
    if (!MakeString(isolate_, text).ToLocal(&string)) return false;
    *value = string;
    return true;
  }
  bool Bytes(std::string_view bytes, Value* value) const {
    Local<v8::Uint8Array> array;
    *no_room_ = !MakeBytes(isolate_, bytes.size()).ToLocal(&array);
    if (*no_room_) return false;
    if (!bytes.empty()) std::memcpy(array->Buffer()->Data(), bytes.data(), bytes.size());
    *value = array;
    return true;
  }
  bool Error(std::string_view text, Value* value) const {
    Local<v8::String> message;
    if (!MakeString(isolate_, text).ToLocal(&message)) return false;
    const Local<v8::Object> error = v8::Exception::Error(message).As<v8::Object>();
    *value = error;
    return !error
                ->CreateDataProperty(context_, locus::Text(isolate_, "name"),
                                     locus::Text(isolate_, "ReplyError"))
                .IsNothing();
  }
  bool SetMember(Value* object, const Value& name, const Value& item) const {
    return !object->As<v8::Object>()->CreateDataProperty(context_, name.As<v8::String>(), item).IsNothing();
  }

 private:
  v8::Isolate* isolate_;
  Local<v8::Context> context_;
  bool* no_room_;
};

}  // namespace

v8::MaybeLocal<v8::String> MakeString(v8::Isolate* isolate, std::string_view utf8) {
  if (utf8.size() > static_cast<size_t>(v8::String::kMaxLength)) return {};
  return v8::String::NewFromUtf8(isolate, utf8.data(), v8::NewStringType::kNormal,
                                 static_cast<int>(utf8.size()));
}

// `ArrayBuffer::New` would end the process.
v8::MaybeLocal<v8::Uint8Array> MakeBytes(v8::Isolate* isolate, size_t bytes) {
  Local<v8::ArrayBuffer> buffer;
  if (!v8::ArrayBuffer::MaybeNew(isolate, bytes).ToLocal(&buffer)) return {};
  return v8::Uint8Array::New(buffer, 0, bytes);
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
  ReplyDecoder<GuestValues> decoder(GuestValues(isolate, context, &reply->no_room), *bytes, binary);
  const bool read = decoder.Read(shape, &reply->value);
  reply->is_error = decoder.is_error();
  bytes->remove_prefix(std::min(decoder.position(), bytes->size()));
  return read;
}

bool AppendArgument(v8::Isolate* isolate, Local<v8::Context> context, Local<Value> value, size_t bytes_max,
                    std::string* to) {
  const size_t before = to->size();
  // What is too large is not copied: the growth alone says so.
  const auto too_large = [&] {
    to->resize(before + bytes_max + 1);
    return false;
  };
  if (value->IsUint8Array()) {
    const Local<v8::Uint8Array> array = value.As<v8::Uint8Array>();
    const size_t bytes = array->ByteLength();
    if (bytes > bytes_max) return too_large();
    to->resize(before + bytes);
    array->CopyContents(to->data() + before, bytes);
    return true;
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
