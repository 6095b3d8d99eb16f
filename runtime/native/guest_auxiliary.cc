// Our own programs in the isolate: a context of their own that the guest cannot reach, opened at first use.
#include <array>
#include <utility>

#include "guest_loop.h"
#include "guest_snapshot.h"
#include "guest_values.h"

namespace locus {

using v8::Local;
using v8::Value;

namespace {

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
  Local<v8::Context> context;
  if (!GuestSnapshot::AuxiliaryContext(isolate_).ToLocal(&context)) return false;
  auxiliary_.Reset(isolate_, context);
  auxiliary_exports_.Reset(isolate_, GuestSnapshot::AuxiliaryExports(context));
  return true;
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

bool GuestLoop::CheckSchema(GuestInvocation* invocation, const char* which, std::string_view json) {
  const bool input = which[0] == 'i';
  Local<Value> verdict;
  if (!Auxiliary("check", {which, input ? input_schema_ : output_schema_, json}).ToLocal(&verdict)) {
    if (!IsTurnEnding() && !isolate_->IsExecutionTerminating())
      Fail(invocation, input ? Code::ARGS_INVALID : Code::RESULT_INVALID,
           std::string("the function's ") + which + " schema could not be applied");
    return false;
  }
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
