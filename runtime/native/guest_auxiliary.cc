// Our own programs in the isolate: a context of their own that the guest cannot reach, opened at first use.
#include <array>
#include <utility>

#include "guest_code_cache.h"
#include "guest_loop.h"
#include "guest_natives.h"
#include "guest_snapshot.h"
#include "guest_values.h"

namespace locus {

using v8::Local;
using v8::Value;

namespace {

/// Code that checks values; a schema of which there is more is checked by the large program.
constexpr size_t kCheckerBytesMax = 256 << 10;

/// Up to the first character that is none of its alphabet.
std::string DecodeBase64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int8_t, 256> values;
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); i++)
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int held = 0;
  for (const char character : text) {
    const int8_t value = values[static_cast<uint8_t>(character)];
    if (value < 0) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held));
  }
  return bytes;
}

}  // namespace

// Tried anew each time: what kept it from being opened (a turn that was ended, a stack that was full) was one
// invocation's.
bool GuestLoop::OpenAuxiliary() {
  if (!auxiliary_.IsEmpty()) return true;
  const GuestSources& sources = Host::Get().sources();
  const Local<v8::Context> context = v8::Context::New(isolate_);
  if (context.IsEmpty()) return false;
  const v8::Context::Scope entered(context);
  InstallAuxiliaryNatives(isolate_, context);
  Local<v8::String> text;
  Local<v8::Script> script;
  Local<Value> exports;
  if (!MakeString(isolate_, sources.auxiliary).ToLocal(&text)) return false;
  v8::ScriptCompiler::CachedData* code = nullptr;
  if (sources.warmed.load(std::memory_order_acquire) && !sources.auxiliary_code.empty())
    code = new v8::ScriptCompiler::CachedData(reinterpret_cast<const uint8_t*>(sources.auxiliary_code.data()),
                                              static_cast<int>(sources.auxiliary_code.size()));
  v8::ScriptCompiler::Source source(text, code);  // owns `code`
  const auto how =
      code != nullptr ? v8::ScriptCompiler::kConsumeCodeCache : v8::ScriptCompiler::kNoCompileOptions;
  if (!v8::ScriptCompiler::Compile(context, &source, how).ToLocal(&script) ||
      !script->Run(context).ToLocal(&exports) || !exports->IsObject())
    return false;
  auxiliary_.Reset(isolate_, context);
  auxiliary_exports_.Reset(isolate_, exports.As<v8::Object>());
  auxiliary_script_.Reset(isolate_, script);
  return true;
}

// In an isolate that runs nothing else: what V8 has compiled after one use serves all later isolates.
void GuestLoop::Warm() {
  GuestSources& sources = Host::Get().sources();
  if (sources.warmed.load()) return;
  const v8::HandleScope scope(isolate_);
  Local<Value> ignored;
  constexpr std::string_view kSchema =
      R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"]})";
  if (!Auxiliary("check", {"input", kSchema, "{}"}).ToLocal(&ignored) || auxiliary_script_.IsEmpty()) return;
  const std::unique_ptr<v8::ScriptCompiler::CachedData> code(
      v8::ScriptCompiler::CreateCodeCache(auxiliary_script_.Get(isolate_)->GetUnboundScript()));
  if (!code) return;
  sources.auxiliary_code.assign(reinterpret_cast<const char*>(code->data), static_cast<size_t>(code->length));
  sources.warmed.store(true, std::memory_order_release);
}

v8::MaybeLocal<Value> GuestLoop::Auxiliary(const char* function,
                                           std::initializer_list<std::string_view> arguments) {
  const v8::TryCatch caught(isolate_);
  if (!OpenAuxiliary()) return {};
  const Local<v8::Context> context = auxiliary_.Get(isolate_);
  const v8::Context::Scope entered(context);
  Local<Value> callee, result;
  if (!auxiliary_exports_.Get(isolate_)->Get(context, Text(isolate_, function)).ToLocal(&callee) ||
      !callee->IsFunction())
    return {};
  std::vector<Local<Value>> values;
  for (const std::string_view argument : arguments) {
    Local<v8::String> text;
    if (!MakeString(isolate_, argument).ToLocal(&text)) return {};
    values.push_back(text);
  }
  return callee.As<v8::Function>()->Call(context, v8::Undefined(isolate_), static_cast<int>(values.size()),
                                         values.data());
}

bool GuestLoop::Fits(const char* which, const std::string& code, std::string_view json) {
  const v8::TryCatch caught(isolate_);
  if (checker_.IsEmpty()) {
    Local<v8::Context> context;
    Local<v8::Object> exports;
    if (!GuestSnapshot::Checker(isolate_, &exports).ToLocal(&context)) return false;
    checker_.Reset(isolate_, context);
    checker_exports_.Reset(isolate_, exports);
  }
  const Local<v8::Context> context = checker_.Get(isolate_);
  const v8::Context::Scope entered(context);
  Local<Value> check, verdict;
  Local<v8::String> code_text, json_text;
  if (!checker_exports_.Get(isolate_)->Get(context, Text(isolate_, "check")).ToLocal(&check) ||
      !check->IsFunction() || !MakeString(isolate_, code).ToLocal(&code_text) ||
      !MakeString(isolate_, json).ToLocal(&json_text))
    return false;
  Local<Value> values[] = {Text(isolate_, which), code_text, json_text};
  return check.As<v8::Function>()->Call(context, v8::Undefined(isolate_), 3, values).ToLocal(&verdict) &&
         verdict->IsTrue();
}

void GuestLoop::KeepChecker(const std::string& schema) {
  Local<Value> code;
  if (schema.empty() || !Auxiliary("checkerCode", {schema}).ToLocal(&code) || !code->IsString()) return;
  const auto text = code.As<v8::String>();
  const bool fits = text->Utf8LengthV2(isolate_) <= kCheckerBytesMax;
  CodeCache::OfSchemas().Keep(schema, fits ? Utf8Of(isolate_, text, kCheckerBytesMax) : "", true);
}

// Nearly all values fit: that takes a small program and little memory. What is wrong with others takes a large one.
bool GuestLoop::CheckSchema(GuestInvocation* invocation, const char* which, std::string_view json) {
  const bool input = which[0] == 'i';
  const std::string& schema = input ? input_schema_ : output_schema_;
  const std::shared_ptr<const std::string> code = CodeCache::OfSchemas().Find(schema);
  if (code != nullptr && !code->empty()) {
    if (Fits(which, *code, json)) return true;
    if (IsTurnEnding() || isolate_->IsExecutionTerminating()) return false;
  }
  Local<Value> verdict;
  if (!Auxiliary("check", {which, schema, json}).ToLocal(&verdict)) {
    if (!IsTurnEnding() && !isolate_->IsExecutionTerminating())
      Fail(invocation, input ? Code::ARGS_INVALID : Code::RESULT_INVALID,
           std::string("the function's ") + which + " schema could not be applied");
    return false;
  }
  if (code == nullptr) KeepChecker(schema);
  if (!verdict->IsString()) return true;
  Fail(invocation, input ? Code::ARGS_INVALID : Code::RESULT_INVALID,
       Utf8Of(isolate_, verdict.As<v8::String>(), kErrorTextBytesMax));
  return false;
}

// It is large, and most isolates never need it.
std::string_view GuestLoop::SourceMap() {
  if (!std::exchange(source_map_is_read_, true)) source_map_ = DecodeBase64(source_map_);
  return source_map_;
}

std::string GuestLoop::MapStack(std::string_view stack) {
  if (stack.empty()) return "";
  Local<Value> mapped;
  if (!Auxiliary("mapStack", {SourceMap(), stack}).ToLocal(&mapped) || !mapped->IsString())
    return std::string(stack);
  return Utf8Of(isolate_, mapped.As<v8::String>(), kErrorTextBytesMax);
}

std::string GuestLoop::Locate(std::string_view stack) {
  Local<Value> place;
  if (!Auxiliary("locate", {SourceMap(), stack}).ToLocal(&place) || !place->IsString()) return "";
  return Utf8Of(isolate_, place.As<v8::String>(), kErrorTextBytesMax);
}

}  // namespace locus
