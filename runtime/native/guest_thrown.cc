#include "guest_thrown.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "command_table.h"
#include "guest_values.h"
#include "lane.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// How V8 words the RangeError for an array buffer that the isolate's limit leaves no room for.
constexpr std::string_view kAllocationFailed = "Array buffer allocation failed";
/// How V8 words what a method of `redis` is.
constexpr std::string_view kRedis = "redis.";
/// Bound of each text that the prelude returns. The longest is the JSON of a CallerError, of 16 Ki characters.
constexpr size_t kRefusalBytesMax = 3 * kErrorTextBytesMax;
/// What of a thrown value that is no error a message shows.
constexpr size_t kThrownBytesMax = 1024;

/// What the method of `redis` that V8 says is none may have been meant to be.
std::string MeantBy(std::string_view message) {
  std::string_view method = message.substr(kRedis.size());
  method = method.substr(0, method.find(' '));
  std::string meant;
  for (const std::string_view command : SimilarCommands(method))
    meant.append(meant.empty() ? " did you mean " : " or ").append(command);
  return meant.empty() ? meant : meant + "?";
}

/// Advice that follows V8's message when a function calls a method that `redis` does not have.
std::string HintFor(std::string_view name, std::string_view message) {
  if (name == "TypeError" && message.ends_with(" is not a function") && message.starts_with(kRedis))
    return ";" + MeantBy(message) + " docs/commands.md lists the commands that functions may call";
  return "";
}

/// Reads what may be of the guest's making. Once it has been ended in the midst of it, it reads no more.
class Reader {
 public:
  Reader(Local<v8::Context> context, Local<v8::Function> explain)
      : isolate_(v8::Isolate::GetCurrent()), context_(context), explain_(explain) {}

  Thrown Read(Local<Value> value);

 private:
  /// A property as text; empty where there is none or where reading it throws.
  std::string TextProperty(Local<v8::Object> object, const char* name) {
    if (terminated_) return "";
    const v8::TryCatch ignore(isolate_);
    Local<Value> value;
    Local<v8::String> text;
    const bool read = object->Get(context_, Text(isolate_, name)).ToLocal(&value) &&
                      !value->IsNullOrUndefined() && value->ToString(context_).ToLocal(&text);
    terminated_ = ignore.HasTerminated();
    return read ? Utf8Of(isolate_, text, kErrorTextBytesMax) : "";
  }

  /// A thrown value that is no error: text as it is, objects as JSON where they have any.
  std::string Show(Local<Value> value) {
    if (terminated_) return "";
    const v8::TryCatch ignore(isolate_);
    Local<v8::String> text;
    if (value->IsFunction()) return "a function";
    const bool shown = value->IsObject() ? v8::JSON::Stringify(context_, value).ToLocal(&text)
                                         : value->ToDetailString(context_).ToLocal(&text);
    terminated_ = ignore.HasTerminated();
    return shown ? Utf8Of(isolate_, text, kThrownBytesMax) : "a value that has no text";
  }

  /// What the prelude tells of an error: more of its message and of its stack, and what a CallerError says.
  struct Explanation {
    std::string message, stack, refusal;
  };
  Explanation Explain(Local<Value> value) {
    Explanation explanation;
    if (terminated_) return explanation;
    const v8::TryCatch ignore(isolate_);
    Local<Value> found;
    if (explain_->Call(context_, v8::Undefined(isolate_), 1, &value).ToLocal(&found) && found->IsArray()) {
      std::string* const texts[] = {&explanation.message, &explanation.stack, &explanation.refusal};
      for (uint32_t i = 0; i < std::size(texts); i++) {
        Local<Value> text;
        if (found.As<v8::Array>()->Get(context_, i).ToLocal(&text) && text->IsString())
          *texts[i] = Utf8Of(isolate_, text.As<v8::String>(), kRefusalBytesMax);
      }
    }
    terminated_ = ignore.HasTerminated();
    return explanation;
  }

  v8::Isolate* const isolate_;
  const Local<v8::Context> context_;
  const Local<v8::Function> explain_;
  bool terminated_ = false;
};

Thrown Reader::Read(Local<Value> value) {
  Thrown thrown;
  if (value->IsObject()) thrown.stack = TextProperty(value.As<v8::Object>(), "stack");
  if (thrown.stack.empty() && !value->IsNativeError()) {
    thrown.message = "threw " + Show(value) + ", which is no Error and so has no stack";
    thrown.terminated = terminated_;
    return thrown;
  }
  const Local<v8::Object> error = value.As<v8::Object>();
  thrown.code = CodeOfError(context_, value, Code::FUNCTION_FAILED);
  thrown.message = TextProperty(error, "message");
  const std::string name = TextProperty(error, "name");
  thrown.terminated = terminated_;
  if (thrown.message == kAllocationFailed) thrown.code = Code::MEMORY_LIMIT;
  if (thrown.code != Code::FUNCTION_FAILED) return thrown;
  Explanation explanation = Explain(value);
  thrown.terminated = terminated_;
  if (!explanation.refusal.empty()) {
    thrown.code = Code::CALL_REFUSED;
    thrown.refusal = std::move(explanation.refusal);
    thrown.stack.clear();
    return thrown;
  }
  const std::string hint = HintFor(name, thrown.message);
  if (!name.empty()) thrown.message = thrown.message.empty() ? name : name + ": " + thrown.message;
  thrown.message += hint + explanation.message;
  thrown.stack += explanation.stack;
  return thrown;
}

}  // namespace

Thrown ReadThrown(Local<v8::Context> context, Local<v8::Function> explain, Local<Value> value) {
  return Reader(context, explain).Read(value);
}

}  // namespace locus
