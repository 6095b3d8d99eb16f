#include "guest_thrown.h"

#include <string_view>

#include "guest_values.h"
#include "lane.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// How V8 words the RangeError for an array buffer that the isolate's limit leaves no room for.
constexpr std::string_view kAllocationFailed = "Array buffer allocation failed";
/// What of a thrown value that is no error a message shows.
constexpr size_t kThrownBytesMax = 1024;

/// A property as text; empty where there is none or where reading it throws.
std::string TextProperty(Local<v8::Context> context, Local<v8::Object> object, const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  const v8::TryCatch ignore(isolate);
  Local<Value> value;
  Local<v8::String> text;
  if (!object->Get(context, Text(isolate, name)).ToLocal(&value) || value->IsNullOrUndefined()) return "";
  if (!value->ToString(context).ToLocal(&text)) return "";
  return Utf8Of(isolate, text, kErrorTextBytesMax);
}

/// A thrown value that is no error: text as it is, objects as JSON where they have any.
std::string Show(Local<v8::Context> context, Local<Value> value) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  const v8::TryCatch ignore(isolate);
  Local<v8::String> text;
  if (value->IsFunction()) return "a function";
  const bool shown = value->IsObject() ? v8::JSON::Stringify(context, value).ToLocal(&text)
                                       : value->ToDetailString(context).ToLocal(&text);
  return shown ? Utf8Of(isolate, text, kThrownBytesMax) : "a value that has no text";
}

/// Where to look for what is there instead, behind V8's words for what is not.
std::string_view HintFor(std::string_view name, std::string_view message) {
  const bool is_no_function = name == "TypeError" && message.ends_with(" is not a function");
  const bool is_no_global =
      is_no_function && (message.starts_with("globalThis.") || message.starts_with("fetch "));
  if (is_no_global || (name == "ReferenceError" && message.ends_with(" is not defined")))
    return "; docs/functions.md lists the globals that functions have";
  if (is_no_function && message.starts_with("redis."))
    return "; docs/commands.md lists the commands that functions may call";
  return "";
}

}  // namespace

Thrown ReadThrown(Local<v8::Context> context, Local<Value> value) {
  Thrown thrown;
  const bool is_object = value->IsObject();
  if (is_object) thrown.stack = TextProperty(context, value.As<v8::Object>(), "stack");
  if (thrown.stack.empty() && !value->IsNativeError()) {
    thrown.message = "threw " + Show(context, value) + ", which is no Error and so has no stack";
    return thrown;
  }
  const Local<v8::Object> error = value.As<v8::Object>();
  thrown.code = CodeOfError(context, value, Code::FUNCTION_FAILED);
  thrown.message = TextProperty(context, error, "message");
  if (thrown.message == kAllocationFailed) thrown.code = Code::MEMORY_LIMIT;
  if (thrown.code != Code::FUNCTION_FAILED) return thrown;
  const std::string name = TextProperty(context, error, "name");
  const std::string_view hint = HintFor(name, thrown.message);
  if (!name.empty()) thrown.message = thrown.message.empty() ? name : name + ": " + thrown.message;
  thrown.message += hint;
  return thrown;
}

}  // namespace locus
