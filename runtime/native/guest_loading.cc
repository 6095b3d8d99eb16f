// Loading a bundle: compiled, evaluated, its definition read, all in one call that the host bounds in time.
// What goes wrong is said with the author's file and line, as far as there is one.
#include <optional>
#include <utility>

#include "guest_loop.h"
#include "guest_thrown.h"
#include "guest_values.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// Loading a bundle may take this long, top-level await and the reading of its definition included. Chosen,
/// not measured.
constexpr int64_t kLoadDeadlineNs = 5'000'000'000;

std::string LoadDeadlineText() {
  return std::to_string(kLoadDeadlineNs / 1'000'000) + " ms";
}

/// A position in the bundle as a stack has it. Both count from 0.
std::string FrameAt(int line, int column) {
  return "    at " + std::string(kBundleName) + ":" + std::to_string(line + 1) + ":" +
         std::to_string(column + 1);
}

v8::MaybeLocal<v8::Module> ResolveNothing(Local<v8::Context>, Local<v8::String>, Local<v8::FixedArray>,
                                          Local<v8::Module>) {
  return {};
}

}  // namespace

thread_local std::vector<LoneRejection>* GuestLoop::load_rejections_ = nullptr;

GuestLoop::Loaded GuestLoop::Fails(std::string message, std::string_view stack) {
  const std::string place = Locate(stack);
  return {(place.empty() ? "" : place + ": ") + std::move(message), ""};
}

std::optional<GuestLoop::Excess> GuestLoop::LoadingTurn(int64_t began_ns, const std::function<void()>& work) {
  Host& host = Host::Get();
  host.active_invocations++;
  host.Watch(this);
  host.NoteActivity();
  // Before isolated-vm's own, which would dispose of the isolate with all that is ours in it.
  isolate_->AddNearHeapLimitCallback(OnNearHeapLimit, this);
  turn_deadline_ns_.store(began_ns + kLoadDeadlineNs);
  turn_.store(++turns_ * 4);
  work();
  const bool late = CloseTurn();
  isolate_->RemoveNearHeapLimitCallback(OnNearHeapLimit, 0);
  host.Unwatch(this);
  host.active_invocations--;
  if (memory_exceeded_) {
    isolate_->CancelTerminateExecution();
    return Excess::kMemory;
  }
  if (late) return Excess::kTime;
  return std::nullopt;
}

GuestLoop::Loaded GuestLoop::Load(Local<v8::String> source, std::string source_map, int64_t began_ns) {
  source_map_ = std::move(source_map);
  Loaded loaded;
  std::vector<LoneRejection> rejections;
  load_rejections_ = &rejections;
  const std::optional<Excess> excess = LoadingTurn(began_ns, [&] { loaded = Evaluate(source); });
  load_rejections_ = nullptr;
  if (excess == Excess::kMemory) return {"it needs more memory to load than it may have", ""};
  if (excess == Excess::kTime) return Fails("it was still loading after " + LoadDeadlineText(), "");
  return loaded;
}

std::string GuestLoop::CompileSchemas(std::string_view input, std::string_view output, int64_t began_ns) {
  std::string faults = "they cannot be compiled";
  const std::optional<Excess> excess = LoadingTurn(began_ns, [&] {
    Local<Value> told;
    if (Auxiliary("compileSchemas", {input, output}).ToLocal(&told) && told->IsString())
      faults = Utf8Of(isolate_, told.As<v8::String>(), kErrorTextBytesMax);
  });
  if (excess == Excess::kMemory) return "its schemas need more memory to compile than it may have";
  if (excess == Excess::kTime)
    return Fails("it was still loading after " + LoadDeadlineText() + ", at its schemas", "").failure;
  return faults.empty() ? "" : Fails("the function's schemas cannot be used: " + faults, "").failure;
}

// When it is terminated it leaves early, with nothing.
GuestLoop::Loaded GuestLoop::Evaluate(Local<v8::String> source_text) {
  const Local<v8::Context> context = context_.Get(isolate_);
  const v8::TryCatch caught(isolate_);

  v8::ScriptOrigin origin(Text(isolate_, kBundleName), 0, 0, false, -1, Local<Value>(), false, false, true);
  v8::ScriptCompiler::Source source(source_text, origin);
  Local<v8::Module> module;
  if (!v8::ScriptCompiler::CompileModule(isolate_, &source).ToLocal(&module)) {
    const Local<v8::Message> at = caught.Message();
    if (at.IsEmpty()) return Fails("the bundle does not compile", "");
    return Fails(
        ReadThrown(context, explain_.Get(isolate_), caught.Exception()).message,
        FrameAt(at->GetLineNumber(context).FromMaybe(1) - 1, at->GetStartColumn(context).FromMaybe(0)));
  }
  if (module->GetModuleRequests()->Length() > 0) {
    const auto request = module->GetModuleRequests()->Get(0).As<v8::ModuleRequest>();
    v8::Location at = module->SourceOffsetToLocation(request->GetSourceOffset());
    return Fails(
        "it imports " + Utf8Of(isolate_, request->GetSpecifier(), 256) + "; a bundle imports nothing",
        FrameAt(at.GetLineNumber(), at.GetColumnNumber()));
  }
  Local<Value> evaluated, definition, json;
  if (module->InstantiateModule(context, ResolveNothing).IsNothing() ||
      !module->Evaluate(context).ToLocal(&evaluated))
    return caught.HasCaught() && !caught.HasTerminated() ? FailsWith(caught.Exception()) : Loaded();
  isolate_->PerformMicrotaskCheckpoint();
  if (isolate_->IsExecutionTerminating()) return {};

  const Local<v8::Promise> promise = evaluated.As<v8::Promise>();
  if (promise->State() == v8::Promise::kRejected) return FailsWith(promise->Result());
  if (promise->State() == v8::Promise::kPending)
    return Fails("it had not finished loading: it awaits at its top level what never comes", "");
  // No call would learn of the rejection, and each call that awaits the promise would fail.
  for (const LoneRejection& lone : *load_rejections_) {
    const Local<v8::Promise> rejected = lone.promise.Get(isolate_);
    if (!rejected->HasHandler())
      return FailsWith(rejected->Result(),
                       "a promise was rejected at a module's top level and nobody handled it: ");
  }

  if (!module->GetModuleNamespace()
           .As<v8::Object>()
           ->Get(context, Text(isolate_, "default"))
           .ToLocal(&definition) ||
      !describe_.Get(isolate_)->Call(context, v8::Undefined(isolate_), 1, &definition).ToLocal(&json) ||
      !json->IsString())
    return caught.HasCaught() && !caught.HasTerminated() ? FailsWith(caught.Exception()) : Loaded();
  const Local<v8::String> described = json.As<v8::String>();
  return {"", Utf8Of(isolate_, described, described->Utf8LengthV2(isolate_))};
}

GuestLoop::Loaded GuestLoop::FailsWith(Local<Value> exception, std::string before) {
  const Thrown thrown = ReadThrown(context_.Get(isolate_), explain_.Get(isolate_), exception);
  return Fails(std::move(before) + thrown.message, thrown.stack);
}

}  // namespace locus
