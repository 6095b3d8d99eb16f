#include "guest_natives.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "guest_loop.h"
#include "guest_values.h"

namespace locus {

namespace {

using v8::FunctionCallbackInfo;
using v8::Local;
using v8::Value;

/// crypto.getRandomValues gives no more at once.
constexpr size_t kRandomBytesMax = 65536;
/// What performance.now is rounded to: too coarse to time a cache with.
constexpr int64_t kClockStepNs = 100'000;
/// What a copy of a value may take on its way without a look at what the heap may hold.
constexpr size_t kCloneBytesUnasked = 1 << 20;
/// Array buffers that one copy transfers.
constexpr uint32_t kTransferMax = 1024;
constexpr uint32_t kBinary = 1u << 16;
constexpr uint32_t kNamed = 1u << 17;

void Throw(v8::Isolate* isolate, Code code, std::string_view message) {
  isolate->ThrowException(MakeError(isolate, code, message));
}

std::string_view Bytes(Local<Value> value) {
  if (!value->IsUint8Array()) return {};
  const Local<v8::Uint8Array> array = value.As<v8::Uint8Array>();
  return {static_cast<const char*>(array->Buffer()->Data()) + array->ByteOffset(), array->ByteLength()};
}

/// One method of `redis`; its number and form lie in the function's data.
void OnOperation(const FunctionCallbackInfo<Value>& info) {
  const uint32_t data = info.Data().As<v8::Uint32>()->Value();
  GuestLoop* loop = GuestLoop::Current();
  if (loop == nullptr)
    return Throw(info.GetIsolate(), Code::CANCELLED, "redis can be used in an invocation only");
  loop->Operate(info, data & 0xffff, (data & kBinary) != 0, (data & kNamed) != 0);
}

/// makeRedis(token): the `redis` of one invocation.
void MakeRedis(const FunctionCallbackInfo<Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  GuestLoop* loop = GuestLoop::Current();
  if (loop == nullptr) return;
  Local<v8::Object> redis;
  const Local<v8::FunctionTemplate> shape = loop->redis_template().Get(isolate);
  if (!shape->InstanceTemplate()->NewInstance(isolate->GetCurrentContext()).ToLocal(&redis)) return;
  redis->SetInternalField(0, info[0]);
  info.GetReturnValue().Set(redis);
}

/// settle(token, fulfilled, value). What V8 does in tasks of its own (finalizers) goes on when the loop has
/// ended, and may come to the end of a function then.
void Settle(const FunctionCallbackInfo<Value>& info) {
  GuestLoop* loop = GuestLoop::Current();
  if (loop == nullptr) return;
  GuestInvocation* invocation = loop->FindByToken(info[0].As<v8::Uint32>()->Value());
  if (invocation != nullptr) loop->Settle(invocation, info[1]->IsTrue(), info[2]);
}

/// log(token or null, line): whether there is such an invocation; null is the one whose turn it is.
void Log(const FunctionCallbackInfo<Value>& info) {
  GuestLoop* loop = GuestLoop::Current();
  info.GetReturnValue().Set(false);
  if (loop == nullptr) return;
  GuestInvocation* invocation =
      info[0]->IsUint32() ? loop->FindByToken(info[0].As<v8::Uint32>()->Value()) : loop->current();
  if (invocation == nullptr || !info[1]->IsString()) return;
  std::string line;
  AppendArgument(info.GetIsolate(), info.GetIsolate()->GetCurrentContext(), info[1], kLogBytesMax, &line);
  line.resize(std::min<size_t>(line.size(), kLogBytesMax));
  loop->Log(invocation, line);
  info.GetReturnValue().Set(true);
}

/// setTimer(callback, delayMs): number
void SetTimer(const FunctionCallbackInfo<Value>& info) {
  GuestLoop* loop = GuestLoop::Current();
  if (loop == nullptr || loop->current() == nullptr)
    return Throw(info.GetIsolate(), Code::FUNCTION_FAILED,
                 "setTimeout cannot be used at a module's top level: set the timer inside run");
  if (loop->timers() >= GuestLoop::kTimersMax)
    return Throw(info.GetIsolate(), Code::OPERATIONS_LIMIT, "too many timers at once");
  const double delay = info[1]->IsNumber() ? info[1].As<v8::Number>()->Value() : 0;
  const auto delay_ms = static_cast<int64_t>(std::clamp(delay == delay ? delay : 0, 0.0, 1e9));
  info.GetReturnValue().Set(loop->SetTimer(delay_ms, info[0].As<v8::Function>()));
}

void ClearTimer(const FunctionCallbackInfo<Value>& info) {
  GuestLoop* loop = GuestLoop::Current();
  if (loop != nullptr && info[0]->IsUint32()) loop->ClearTimer(info[0].As<v8::Uint32>()->Value());
}

/// now(): ms since the isolate was opened, coarse.
void Now(const FunctionCallbackInfo<Value>& info) {
  const GuestLoop* loop = GuestLoop::Of(info.GetIsolate());
  const int64_t steps = loop == nullptr ? 0 : (NowNs() - loop->opened_ns()) / kClockStepNs;
  info.GetReturnValue().Set(static_cast<double>(steps * kClockStepNs) / 1e6);
}

/// fillRandom(bytes: Uint8Array)
void FillRandom(const FunctionCallbackInfo<Value>& info) {
  const std::string_view bytes = Bytes(info[0]);
  if (bytes.size() > kRandomBytesMax) return;  // the prelude has thrown already
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t more = getrandom(const_cast<char*>(bytes.data()) + filled, bytes.size() - filled, 0);
    if (more > 0) filled += static_cast<size_t>(more);
  }
}

/// encodeUtf8(text): Uint8Array
void EncodeUtf8(const FunctionCallbackInfo<Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  // The prelude makes text of all, as far as the guest has left it the means to.
  if (!info[0]->IsString()) return Throw(isolate, Code::FUNCTION_FAILED, "what is to be encoded is no text");
  const Local<v8::String> text = info[0].As<v8::String>();
  const size_t bytes = text->Utf8LengthV2(isolate);
  Local<v8::Uint8Array> array;
  if (!MakeBytes(isolate, bytes).ToLocal(&array))
    return Throw(isolate, Code::MEMORY_LIMIT,
                 "there is no memory for the " + std::to_string(bytes) + " bytes of the text");
  text->WriteUtf8V2(isolate, static_cast<char*>(array->Buffer()->Data()), bytes,
                    v8::String::WriteFlags::kReplaceInvalidUtf8);
  info.GetReturnValue().Set(array);
}

/// decodeUtf8(bytes: Uint8Array): string, invalid sequences replaced.
void DecodeUtf8(const FunctionCallbackInfo<Value>& info) {
  Local<v8::String> text;
  if (MakeString(info.GetIsolate(), Bytes(info[0])).ToLocal(&text)) {
    info.GetReturnValue().Set(text);
  } else {
    Throw(info.GetIsolate(), Code::MEMORY_LIMIT, "the text is longer than a string can be");
  }
}

/// What copies hold on their way on this thread: a getter in a value that is copied may have another copied.
thread_local size_t clone_bytes = 0;

/// As web browsers and Node.js throw it, without their class DOMException.
Local<Value> DataCloneError(v8::Isolate* isolate, Local<v8::String> message) {
  constexpr int kDataCloneErr = 25;
  const Local<v8::Context> context = isolate->GetCurrentContext();
  const Local<v8::Object> error = v8::Exception::Error(message).As<v8::Object>();
  const auto set = [&](const char* name, Local<Value> value) {
    error->DefineOwnProperty(context, Text(isolate, name), value, v8::DontEnum).Check();
  };
  set("name", Text(isolate, "DataCloneError"));
  set("code", v8::Integer::New(isolate, kDataCloneErr));
  return error;
}

/// Of one copy, which it counts for as long as it lives.
class CloneDelegate : public v8::ValueSerializer::Delegate {
 public:
  explicit CloneDelegate(v8::Isolate* isolate) : isolate_(isolate) {}
  ~CloneDelegate() override { clone_bytes -= held_bytes_; }
  void ThrowDataCloneError(Local<v8::String> message) override {
    if (no_room_) {
      Throw(isolate_, Code::MEMORY_LIMIT, "structuredClone needs more memory than the function may have");
    } else {
      isolate_->ThrowException(DataCloneError(isolate_, message));
    }
  }
  /// A text that stands in the value many times takes its room here each time. What the heap may hold could
  /// not be read back.
  void* ReallocateBufferMemory(void* buffer, size_t bytes, size_t* taken) override {
    const size_t others = clone_bytes - held_bytes_;
    if (others + bytes > kCloneBytesUnasked) {
      v8::HeapStatistics heap;
      isolate_->GetHeapStatistics(&heap);
      no_room_ = others + bytes > heap.heap_size_limit();
      if (no_room_) return nullptr;
    }
    void* const grown = realloc(buffer, bytes);
    if (grown == nullptr) return nullptr;
    *taken = held_bytes_ = bytes;
    clone_bytes = others + bytes;
    return grown;
  }
  void FreeBufferMemory(void* buffer) override { free(buffer); }

 private:
  v8::Isolate* isolate_;
  size_t held_bytes_ = 0;
  bool no_room_ = false;
};

/// clone(value, transfer: unknown[]): by V8's own serialisation, within one realm. The array buffers of `transfer`
/// are not copied: the copy has their bytes, and they are detached.
void Clone(const FunctionCallbackInfo<Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  const Local<v8::Context> context = isolate->GetCurrentContext();
  const auto refuse = [&](const char* why) {
    isolate->ThrowException(DataCloneError(isolate, Text(isolate, why)));
  };
  const Local<v8::Array> transfer = info[1].As<v8::Array>();
  if (transfer->Length() > kTransferMax) return refuse("structuredClone transfers 1,024 array buffers at most");
  std::vector<Local<v8::ArrayBuffer>> buffers;
  CloneDelegate delegate(isolate);
  v8::ValueSerializer serializer(isolate, &delegate);
  for (uint32_t i = 0; i < transfer->Length(); i++) {
    Local<Value> value;
    if (!transfer->Get(context, i).ToLocal(&value)) return;
    if (!value->IsArrayBuffer()) return refuse("structuredClone transfers array buffers only");
    const Local<v8::ArrayBuffer> buffer = value.As<v8::ArrayBuffer>();
    if (buffer->WasDetached() || !buffer->IsDetachable())
      return refuse("an array buffer that is detached, or belongs to WebAssembly, cannot be transferred");
    if (std::ranges::find(buffers, buffer) != buffers.end())
      return refuse("an array buffer is transferred twice");
    serializer.TransferArrayBuffer(i, buffer);
    buffers.push_back(buffer);
  }
  serializer.WriteHeader();
  if (!serializer.WriteValue(context, info[0]).FromMaybe(false)) return;
  const auto [data, bytes] = serializer.Release();
  const std::unique_ptr<uint8_t, decltype(&free)> owned(data, free);
  v8::ValueDeserializer deserializer(isolate, data, bytes);
  for (uint32_t i = 0; i < buffers.size(); i++) {
    // A getter of the value may have detached it meanwhile.
    if (buffers[i]->WasDetached()) return refuse("an array buffer was detached while it was transferred");
    const std::shared_ptr<v8::BackingStore> store = buffers[i]->GetBackingStore();
    if (!buffers[i]->Detach({}).FromMaybe(false)) return;
    deserializer.TransferArrayBuffer(i, v8::ArrayBuffer::New(isolate, store));
  }
  Local<Value> copy;
  if (deserializer.ReadHeader(context).FromMaybe(false) && deserializer.ReadValue(context).ToLocal(&copy))
    info.GetReturnValue().Set(copy);
}

/// compileUrl(): the value of the program that defines URL and URLSearchParams, run in the caller's realm.
void CompileUrl(const FunctionCallbackInfo<Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  const Local<v8::Context> context = isolate->GetCurrentContext();
  Local<v8::String> source;
  Local<v8::Script> script;
  Local<Value> value;
  if (MakeString(isolate, Host::Get().sources().url).ToLocal(&source) &&
      v8::Script::Compile(context, source).ToLocal(&script) && script->Run(context).ToLocal(&value))
    info.GetReturnValue().Set(value);
}

/// setRun(run): the function's own.
void SetRun(const FunctionCallbackInfo<Value>& info) {
  GuestLoop::Of(info.GetIsolate())->run_function().Reset(info.GetIsolate(), info[0].As<v8::Function>());
}

/// A method of a command that functions may not call, made when somebody looks for it: there are many, and
/// making them takes a tenth of what an isolate does. It says why before it looks at what it is called on.
v8::Intercepted OnMissingMethod(Local<v8::Name> property, const v8::PropertyCallbackInfo<Value>& info) {
  constexpr std::string_view kBinaryForm = "Buffer";
  v8::Isolate* isolate = info.GetIsolate();
  std::string name = Utf8Of(isolate, property.As<v8::String>(), 64);
  if (name.ends_with(kBinaryForm)) name.resize(name.size() - kBinaryForm.size());
  const auto rules = CommandRules();
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const CommandRule& rule) {
    return rule.name == name && rule.container_bytes == 0 && rule.standing == CommandStanding::kRefused;
  });
  Local<v8::Function> method;
  if (found == rules.end() ||
      !v8::Function::New(isolate->GetCurrentContext(), OnOperation,
                         v8::Integer::NewFromUnsigned(isolate, static_cast<uint32_t>(found - rules.begin())),
                         0, v8::ConstructorBehavior::kThrow)
           .ToLocal(&method))
    return v8::Intercepted::kNo;
  info.GetReturnValue().Set(method);
  return v8::Intercepted::kYes;
}

struct Native {
  const char* name;
  v8::FunctionCallback callback;
};

constexpr Native kNatives[] = {
    {"makeRedis", MakeRedis},       {"settle", Settle},         {"log", Log},
    {"setTimer", SetTimer},         {"clearTimer", ClearTimer}, {"now", Now},
    {"fillRandom", FillRandom},     {"encodeUtf8", EncodeUtf8}, {"decodeUtf8", DecodeUtf8},
    {"clone", Clone},               {"compileUrl", CompileUrl}, {"setRun", SetRun},
};
constexpr Native kAuxiliaryNatives[] = {
    {"encodeUtf8", EncodeUtf8}, {"decodeUtf8", DecodeUtf8}, {"compileUrl", CompileUrl}};

void SetNative(Local<v8::Context> context, Local<v8::Object> target, const char* name,
               v8::FunctionCallback callback) {
  const Local<v8::Function> function =
      v8::Function::New(context, callback, {}, 0, v8::ConstructorBehavior::kThrow).ToLocalChecked();
  target->Set(context, Text(v8::Isolate::GetCurrent(), name), function).Check();
}

}  // namespace

// A method per command that functions may call, its …Buffer form, call and callBuffer; those of other commands are
// found behind it.
Local<v8::FunctionTemplate> MakeRedisTemplate(v8::Isolate* isolate) {
  const Local<v8::FunctionTemplate> shape = v8::FunctionTemplate::New(isolate);
  shape->SetClassName(Text(isolate, "Redis"));
  shape->InstanceTemplate()->SetInternalFieldCount(1);
  const Local<v8::Signature> signature = v8::Signature::New(isolate, shape);
  const Local<v8::ObjectTemplate> prototype = shape->PrototypeTemplate();
  const auto method = [&](const std::string& name, uint32_t data) {
    const Local<v8::FunctionTemplate> function =
        v8::FunctionTemplate::New(isolate, OnOperation, v8::Integer::NewFromUnsigned(isolate, data),
                                  signature, 0, v8::ConstructorBehavior::kThrow);
    prototype->Set(Text(isolate, name), function,
                   static_cast<v8::PropertyAttribute>(v8::ReadOnly | v8::DontDelete));
  };
  const auto both = [&](std::string_view name, uint32_t data) {
    method(std::string(name), data);
    method(std::string(name) + "Buffer", data | kBinary);
  };
  const auto rules = CommandRules();
  for (uint32_t index = 0; index < rules.size(); index++) {
    const CommandRule& rule = rules[index];
    if (rule.container_bytes == 0 && rule.standing != CommandStanding::kRefused) both(rule.name, index);
  }
  both("call", kNamed);
  const Local<v8::FunctionTemplate> refused = v8::FunctionTemplate::New(isolate);
  refused->PrototypeTemplate()->SetHandler(v8::NamedPropertyHandlerConfiguration(
      OnMissingMethod, {}, {}, {}, {}, {},
      static_cast<v8::PropertyHandlerFlags>(
          static_cast<int>(v8::PropertyHandlerFlags::kNonMasking) |
          static_cast<int>(v8::PropertyHandlerFlags::kOnlyInterceptStrings) |
          static_cast<int>(v8::PropertyHandlerFlags::kHasNoSideEffect))));
  shape->Inherit(refused);
  return shape;
}

Local<v8::Object> MakeNatives(v8::Isolate* isolate, Local<v8::Context> context) {
  const Local<v8::Object> natives = v8::Object::New(isolate);
  for (const auto& [name, callback] : kNatives) SetNative(context, natives, name, callback);
  return natives;
}

void InstallAuxiliaryNatives(v8::Isolate* isolate, Local<v8::Context> context) {
  const Local<v8::Object> natives = v8::Object::New(isolate);
  for (const auto& [name, callback] : kAuxiliaryNatives) SetNative(context, natives, name, callback);
  context->Global()->Set(context, Text(isolate, "natives"), natives).Check();
}

const intptr_t* NativeReferences() {
  static const std::vector<intptr_t> references = [] {
    std::vector<intptr_t> all;
    for (const auto& [name, callback] : kNatives) all.push_back(reinterpret_cast<intptr_t>(callback));
    all.push_back(0);
    return all;
  }();
  return references.data();
}

}  // namespace locus
