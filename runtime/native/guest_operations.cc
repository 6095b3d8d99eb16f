// From a method of `redis` to bytes of the round that the turn collects.
#include <algorithm>
#include <utility>

#include "guest_loop.h"
#include "guest_values.h"
#include "resp.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// One operation on the wire, at most; and when a round has as much it leaves.
constexpr size_t kOperationBytesMax = kRoundBytesMax / 2;
/// `$…\r\n` and `\r\n` around an argument.
constexpr size_t kBulkOverheadBytes = 16;
/// Operations of one invocation that are sent and not answered: they wait outside of its isolate's own limit.
constexpr size_t kUnansweredBytesMax = 32 << 20;
/// Of a key, in messages.
constexpr size_t kShownKeyBytes = 60;
/// What is kept of the scratch space.
constexpr size_t kKeepBytes = 256 * 1024;
constexpr size_t kKeepArguments = 4096;

/// How many arguments stand before an object or a Map of pairs (runtime/channel/operation.ts: PAIRS_AFTER).
size_t PairsAt(std::string_view command) {
  if (command == "hset" || command == "hmset") return 1;
  if (command == "mset" || command == "msetnx") return 0;
  return SIZE_MAX;
}

/// The name given to call(), when it is a text short enough to be one. Only in lower case is it a method's.
std::string NameOf(v8::Isolate* isolate, const v8::FunctionCallbackInfo<Value>& info) {
  return info.Length() > 0 && info[0]->IsString() ? Utf8Of(isolate, info[0].As<v8::String>(), 64) : "";
}

/// The first key, or the channel, that an operation names, as one line, cut where it is long.
void AppendShownKey(const CommandRule& rule, std::span<const std::string_view> argv, std::string* shown) {
  for (const ArgumentRule& argument : std::span(rule.rules).first(rule.rule_count)) {
    const bool names =
        argument.kind == ArgumentRuleKind::kKeys || argument.kind == ArgumentRuleKind::kChannel;
    if (!names && argument.kind != ArgumentRuleKind::kCounted) continue;
    const size_t place = static_cast<size_t>(argument.first) + (names ? 0 : 1);
    if (place >= argv.size()) continue;
    for (const char byte : argv[place].substr(0, kShownKeyBytes))
      shown->push_back(static_cast<unsigned char>(byte) < ' ' ? ' ' : byte);
    if (argv[place].size() > kShownKeyBytes) shown->append("…");
    return;
  }
}

}  // namespace

/// The scratch of one operation. A getter among its arguments may issue another in the midst of it: that puts
/// aside what is taken in already, and back when it is through. Together they take no more than one may.
class GuestLoop::Taking {
 public:
  explicit Taking(GuestLoop* loop)
      : loop_(loop), nested_(std::exchange(loop->taking_, true)), outer_bytes_(loop->outer_bytes_) {
    if (nested_) {
      loop_->outer_bytes_ += loop_->arena_.size();
      SwapWithOuter();
    }
    loop_->arena_.clear();
    loop_->ends_.clear();
  }
  ~Taking() {
    if (nested_) SwapWithOuter();
    loop_->outer_bytes_ = outer_bytes_;
    loop_->taking_ = nested_;
  }
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;

 private:
  void SwapWithOuter() {
    arena_.swap(loop_->arena_);
    ends_.swap(loop_->ends_);
    argv_.swap(loop_->argv_);
  }

  GuestLoop* const loop_;
  const bool nested_;
  const size_t outer_bytes_;
  std::string arena_;
  std::vector<size_t> ends_;
  std::vector<std::string_view> argv_;
};

// Throws a TypeError that names the argument where a value would be sent as something that nobody means:
// "[object Object]", or an empty text for nothing. False then.
bool GuestLoop::CheckArgument(Local<Value> value) {
  if (value->IsString() || value->IsNumber()) return true;
  std::string_view what, mend;
  if (value->IsNullOrUndefined()) {
    what = value->IsNull() ? "null" : "undefined";
    mend = "send text, a number or bytes";
  } else if (value->IsFunction()) {
    what = "a function";
    mend = "methods of redis return promises and take no callback";
  } else if (value->IsArray()) {
    what = "a list inside a list";
    mend = "lists are spread out, one level";
  } else if (value->IsObject() && !value->IsUint8Array()) {
    what = "an object";
    mend = "send its text, such as JSON.stringify makes, or bytes as a Uint8Array";
  } else {
    return true;
  }
  std::string message = ends_.empty() ? "call" : DisplayName(std::string_view(arena_).substr(0, ends_[0]));
  message +=
      ": argument " + std::to_string(ends_.size()) + " is " + std::string(what) + "; " + std::string(mend);
  isolate_->ThrowException(v8::Exception::TypeError(Text(isolate_, message)));
  return false;
}

// An operation's size is bounded as it is taken in, by what it will take on the wire.
bool GuestLoop::TakeArgument(Local<v8::Context> context, Local<Value> value) {
  if (!CheckArgument(value)) return false;
  const size_t before = arena_.size();
  const size_t taken = outer_bytes_ + before + ends_.size() * kBulkOverheadBytes;
  const size_t room = kOperationBytesMax - std::min(taken, kOperationBytesMax);
  if (room > 0 && AppendArgument(isolate_, context, value, room, &arena_)) {
    ends_.push_back(arena_.size());
    return true;
  }
  if (room == 0 || arena_.size() - before > room) ThrowTooLarge();
  return false;
}

void GuestLoop::ThrowTooLarge() {
  arena_.clear();
  isolate_->ThrowException(
      MakeError(isolate_, Code::OPERATIONS_LIMIT,
                "an operation takes more than " + std::to_string(kOperationBytesMax) + " bytes"));
}

// HSET's and MSET's pairs as an object or a Map.
bool GuestLoop::TakePairs(Local<v8::Context> context, Local<v8::Object> pairs) {
  Local<v8::Array> entries;
  if (pairs->IsMap()) {
    entries = pairs.As<v8::Map>()->AsArray();
  } else if (!pairs
                  ->GetOwnPropertyNames(
                      context, static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS),
                      v8::KeyConversionMode::kConvertToString)
                  .ToLocal(&entries)) {
    return false;
  }
  for (uint32_t i = 0; i < entries->Length(); i++) {
    Local<Value> item, value;
    if (!entries->Get(context, i).ToLocal(&item) || !TakeArgument(context, item)) return false;
    if (pairs->IsMap()) continue;
    if (!pairs->Get(context, item).ToLocal(&value) || !TakeArgument(context, value)) return false;
  }
  return true;
}

// Arguments as ioredis takes them: arrays are flattened by one level; where `pairs_at` arguments stand before
// it and nothing after it, an object stands for pairs. Into `arena_` and `ends_`. False when a conversion of
// the guest threw.
bool GuestLoop::TakeArguments(const v8::FunctionCallbackInfo<Value>& info, size_t pairs_at) {
  const Local<v8::Context> context = isolate_->GetCurrentContext();
  const size_t before = ends_.size();
  for (int i = 0; i < info.Length(); i++) {
    const Local<Value> value = info[i];
    if (value->IsArray()) {
      const Local<v8::Array> array = value.As<v8::Array>();
      for (uint32_t j = 0; j < array->Length(); j++) {
        Local<Value> item;
        if (!array->Get(context, j).ToLocal(&item) || !TakeArgument(context, item)) return false;
      }
    } else if (value->IsObject() && i == info.Length() - 1 && ends_.size() - before == pairs_at &&
               !value->IsUint8Array() && !value->IsFunction()) {
      if (!TakePairs(context, value.As<v8::Object>())) return false;
    } else if (!TakeArgument(context, value)) {
      return false;
    }
  }
  return true;
}

// The operation that `commands` has from `begin` on, by what an earlier run read. False: it has to be sent.
bool GuestLoop::AnswerKnown(GuestInvocation* invocation, size_t begin, ReplyShape shape, bool binary,
                            Local<v8::Promise::Resolver> resolver) {
  const Local<v8::Context> context = isolate_->GetCurrentContext();
  std::optional<std::string_view> reply =
      invocation->known.Take(std::string_view(invocation->commands).substr(begin));
  DecodedReply decoded;
  if (!reply || !DecodeReply(isolate_, context, &*reply, shape, binary, &decoded) || decoded.is_error)
    return false;
  invocation->commands.resize(begin);
  invocation->usage.operations++;
  resolver->Resolve(context, decoded.value).FromMaybe(false);
  return true;
}

void GuestLoop::Operate(const v8::FunctionCallbackInfo<Value>& info, uint32_t command, bool binary,
                        bool named) {
  const Local<v8::Context> context = isolate_->GetCurrentContext();
  const CommandRule* rule = named ? nullptr : &CommandRules()[command];
  // What is chained on a transaction or a pipeline would hide a rejection's reason.
  if (rule != nullptr && rule->standing == CommandStanding::kRefused &&
      rule->reason == RefusalReason::kChained) {
    isolate_->ThrowException(MakeError(isolate_, Code::COMMAND_REFUSED, CheckArguments(*rule, {})->message));
    return;
  }
  Local<v8::Promise::Resolver> resolver;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver)) return;
  info.GetReturnValue().Set(resolver->GetPromise());
  const auto refuse = [&](Code code, std::string_view message) {
    resolver->Reject(context, MakeError(isolate_, code, message)).FromMaybe(false);
  };

  if (rule != nullptr && rule->standing == CommandStanding::kRefused)
    return refuse(Code::COMMAND_REFUSED, CheckArguments(*rule, {})->message);

  const Local<v8::Data> field = info.This()->GetInternalField(0);
  GuestInvocation* invocation = field->IsValue() && field.As<Value>()->IsUint32()
                                    ? FindByToken(field.As<v8::Uint32>()->Value())
                                    : nullptr;
  if (invocation == nullptr || invocation->settled)
    return refuse(Code::CANCELLED, "an operation came after its invocation had ended");

  const Taking taking(this);
  const std::string method = named ? NameOf(isolate_, info) : std::string(rule->name);
  {
    v8::TryCatch caught(isolate_);
    if (rule != nullptr) {
      arena_.append(rule->name);
      ends_.push_back(arena_.size());
    }
    const size_t pairs_at = PairsAt(method);
    if (!TakeArguments(info, pairs_at == SIZE_MAX ? SIZE_MAX : pairs_at + (named ? 1 : 0))) {
      if (!caught.HasTerminated()) resolver->Reject(context, caught.Exception()).FromMaybe(false);
      return;
    }
  }
  if (ends_.empty()) return refuse(Code::COMMAND_REFUSED, "call() needs the name of a command");
  argv_.clear();
  for (size_t i = 0, begin = 0; i < ends_.size(); begin = ends_[i++])
    argv_.emplace_back(arena_.data() + begin, ends_[i] - begin);
  std::optional<Refusal> refusal;
  if (rule != nullptr && rule->standing == CommandStanding::kAllowed) {
    refusal = CheckArguments(*rule, argv_);
  } else {
    refusal = CheckOperation(argv_);
    rule = FindCommand(argv_[0], argv_.size() > 1 ? argv_[1] : std::string_view());
  }
  if (refusal) return refuse(Code::COMMAND_REFUSED, refusal->message);

  if (invocation->usage.operations + invocation->operations.size() >= invocation->operations_max) {
    std::string message =
        "the invocation sent more than " + std::to_string(invocation->operations_max) + " operations";
    refuse(Code::OPERATIONS_LIMIT, message);
    return Fail(invocation, Code::OPERATIONS_LIMIT, std::move(message));
  }
  if (invocation->unanswered_bytes + invocation->commands.size() > kUnansweredBytesMax) {
    std::string message = "the invocation has sent more than " + std::to_string(kUnansweredBytesMax) +
                          " bytes of operations without waiting for their replies";
    refuse(Code::OPERATIONS_LIMIT, message);
    return Fail(invocation, Code::OPERATIONS_LIMIT, std::move(message));
  }
  const ReplyShape shape = method == rule->name ? rule->shape : ReplyShape::kPlain;
  const size_t begin = invocation->commands.size();
  AppendArrayHeader(&invocation->commands, argv_.size());
  for (const std::string_view argument : argv_) AppendBulk(&invocation->commands, argument);
  if (!IsRead(*rule)) invocation->known.Forget();
  if (!invocation->known.empty() && AnswerKnown(invocation, begin, shape, binary, resolver)) return;
  if (!IsRead(*rule)) AppendShownKey(*rule, argv_, &invocation->written_keys);
  invocation->operations.push_back({v8::Global<v8::Promise::Resolver>(isolate_, resolver), rule, shape, binary,
                                    static_cast<uint32_t>(invocation->written_keys.size())});
  invocation->writes |= !IsRead(*rule);
  invocation->gets_alone &= rule->name == "get" && argv_.size() == 2;
  if (invocation != current_) collecting_others_ = true;
  // A turn that issues more than a round may hold sends it in several.
  if (invocation->operations.size() >= kRoundOperationsMax ||
      invocation->commands.size() >= kOperationBytesMax)
    SendRound(invocation);
  if (arena_.capacity() > kKeepBytes) std::string().swap(arena_);
  if (ends_.capacity() > kKeepArguments) std::vector<size_t>().swap(ends_);
}

}  // namespace locus
