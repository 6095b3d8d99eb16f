#include "guest_snapshot.h"

#include <memory>
#include <thread>

#include "guest_natives.h"
#include "guest_platform.h"
#include "guest_values.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// Where the hooks, and the checker's exports, lie in the data of their contexts; and the checker's context.
constexpr size_t kHooks = 0;
constexpr size_t kCheckerExports = 0;
constexpr size_t kChecker = 0;

/// The value of a program. Empty when it throws.
v8::MaybeLocal<Value> Run(Local<v8::Context> context, std::string_view source, const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::ScriptOrigin origin(Text(isolate, name));
  Local<v8::String> text;
  Local<v8::Script> script;
  if (!MakeString(isolate, source).ToLocal(&text) ||
      !v8::Script::Compile(context, text, &origin).ToLocal(&script))
    return {};
  return script->Run(context);
}

std::string Said(Local<v8::Context> context, const v8::TryCatch& caught) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Local<v8::String> text;
  if (!caught.HasCaught() || !caught.Exception()->ToString(context).ToLocal(&text)) return "it does not run";
  return Utf8Of(isolate, text, 512);
}

/// Calls each hook once, so that isolates find it compiled. False when that throws.
bool WarmHooks(Local<v8::Context> context, Local<v8::Object> hooks) {
  constexpr std::string_view kWarm =
      "(({ begin, describe, explain, findLoss }) => {"
      "  begin(async ({ log, args }) => args, 0, null, []);"
      "  describe(null); explain(new Error('')); findLoss({});"
      "})";
  Local<Value> warm, ignored, argument = hooks;
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  if (!Run(context, kWarm, "<locus>").ToLocal(&warm) ||
      !warm.As<v8::Function>()->Call(context, v8::Undefined(isolate), 1, &argument).ToLocal(&ignored))
    return false;
  isolate->PerformMicrotaskCheckpoint();
  return true;
}

}  // namespace

GuestSnapshot& GuestSnapshot::Get() {
  static GuestSnapshot snapshot;
  return snapshot;
}

std::string GuestSnapshot::Make(const std::string& prelude, const std::string& checker) {
  std::string failed;
  // An isolate of its own wants a thread of its own: Node's main thread is in its isolate.
  std::thread([&] { failed = MakeOnThisThread(prelude, checker); }).join();
  return failed;
}

std::string GuestSnapshot::MakeOnThisThread(const std::string& prelude, const std::string& checker) {
  v8::Isolate* isolate = v8::Isolate::Allocate();
  const PlatformEntry entry(isolate);
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator_shared.reset(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  params.external_references = NativeReferences();
  v8::SnapshotCreator creator(isolate, params);
  isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
  std::string failed;
  {
    const v8::HandleScope scope(isolate);
    const Local<v8::Context> guest = v8::Context::New(isolate);
    {
      const v8::Context::Scope entered(guest);
      const v8::TryCatch caught(isolate);
      Local<Value> function, hooks, natives = MakeNatives(isolate, guest);
      if (!Run(guest, "(" + prelude + ")", "<locus>").ToLocal(&function) || !function->IsFunction() ||
          !function.As<v8::Function>()->Call(guest, v8::Undefined(isolate), 1, &natives).ToLocal(&hooks) ||
          !hooks->IsObject()) {
        failed = "the prelude: " + Said(guest, caught);
        hooks = v8::Object::New(isolate);
      } else if (!WarmHooks(guest, hooks.As<v8::Object>())) {
        failed = "the prelude's hooks: " + Said(guest, caught);
      }
      creator.AddData(guest, hooks.As<v8::Object>());
    }
    creator.SetDefaultContext(guest);
    const Local<v8::Context> checking = v8::Context::New(isolate);
    {
      const v8::Context::Scope entered(checking);
      const v8::TryCatch caught(isolate);
      Local<Value> exports;
      if (!Run(checking, checker, "<locus>").ToLocal(&exports) || !exports->IsObject()) {
        failed = "the checker: " + Said(checking, caught);
        exports = v8::Object::New(isolate);
      }
      creator.AddData(checking, exports.As<v8::Object>());
    }
    creator.AddContext(checking);
  }
  blob_ = creator.CreateBlob(v8::SnapshotCreator::FunctionCodeHandling::kKeep);
  return failed;
}

void GuestSnapshot::SetUp(v8::Isolate::CreateParams* params) {
  params->snapshot_blob = &blob_;
  params->external_references = NativeReferences();
}

Local<v8::Object> GuestSnapshot::Hooks(Local<v8::Context> guest) {
  return guest->GetDataFromSnapshotOnce<v8::Object>(kHooks).ToLocalChecked();
}

v8::MaybeLocal<v8::Context> GuestSnapshot::Checker(v8::Isolate* isolate, Local<v8::Object>* exports) {
  Local<v8::Context> context;
  if (!v8::Context::FromSnapshot(isolate, kChecker).ToLocal(&context) ||
      !context->GetDataFromSnapshotOnce<v8::Object>(kCheckerExports).ToLocal(exports))
    return {};
  return context;
}

}  // namespace locus
