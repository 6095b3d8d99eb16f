// Loading a bundle: compiled, evaluated, its definition read, all in one call that the host bounds in time.
// What goes wrong is said with the author's file and line, as far as there is one.
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "guest_code_cache.h"
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

/// A definition's JSON. Two schemas of 64 Ki characters each and small fields.
constexpr size_t kDescriptionBytesMax = 256 * 1024;

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

GuestLoop::Loaded GuestLoop::Load(std::string_view source, std::string source_map, std::string version,
                                  int64_t began_ns) {
  const v8::HandleScope scope(isolate_);
  const v8::Context::Scope entered(context_.Get(isolate_));
  source_map_ = std::move(source_map);
  version_ = std::move(version);
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
  const v8::HandleScope scope(isolate_);
  const v8::Context::Scope entered(context_.Get(isolate_));
  std::string faults = "they cannot be compiled";
  const std::optional<Excess> excess = LoadingTurn(began_ns, [&] {
    Local<Value> told;
    if (Auxiliary("compileSchemas", {input, output}).ToLocal(&told) && told->IsString())
      faults = Utf8Of(isolate_, told.As<v8::String>(), kErrorTextBytesMax);
    if (!faults.empty()) return;
    for (const std::string_view schema : {input, output}) KeepChecker(std::string(schema));
  });
  if (excess == Excess::kMemory) return "its schemas need more memory to compile than it may have";
  if (excess == Excess::kTime)
    return Fails("it was still loading after " + LoadDeadlineText() + ", at its schemas", "").failure;
  return faults.empty() ? "" : Fails("the function's schemas cannot be used: " + faults, "").failure;
}

std::string GuestLoop::SourceFile() {
  const v8::HandleScope scope(isolate_);
  const v8::Context::Scope entered(context_.Get(isolate_));
  return Locate("");
}

// When it is terminated it leaves early, with nothing.
GuestLoop::Loaded GuestLoop::Evaluate(std::string_view source) {
  const Local<v8::Context> context = context_.Get(isolate_);
  const v8::TryCatch caught(isolate_);

  Local<v8::String> text;
  Local<v8::Module> module;
  if (!MakeString(isolate_, source).ToLocal(&text) || !Compile(text).ToLocal(&module)) {
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
  code_.Reset(isolate_, module->GetUnboundModuleScript());
  Local<Value> evaluated, definition;
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
           .ToLocal(&definition))
    return caught.HasCaught() && !caught.HasTerminated() ? FailsWith(caught.Exception()) : Loaded();
  return ReadDefinition(definition);
}

// With V8's code of an earlier isolate, where there is some.
v8::MaybeLocal<v8::Module> GuestLoop::Compile(Local<v8::String> source_text) {
  v8::ScriptOrigin origin(Text(isolate_, kBundleName), 0, 0, false, -1, Local<Value>(), false, false, true);
  const std::shared_ptr<const std::string> kept = version_.empty() ? nullptr : CodeCache::OfBundles().Find(version_);
  if (kept == nullptr) {
    v8::ScriptCompiler::Source source(source_text, origin);
    return v8::ScriptCompiler::CompileModule(isolate_, &source);
  }
  // The source owns what describes the code, and not the code itself.
  v8::ScriptCompiler::Source source(
      source_text, origin,
      new v8::ScriptCompiler::CachedData(reinterpret_cast<const uint8_t*>(kept->data()),
                                         static_cast<int>(kept->size())));
  const auto module =
      v8::ScriptCompiler::CompileModule(isolate_, &source, v8::ScriptCompiler::kConsumeCodeCache);
  if (source.GetCachedData()->rejected) CodeCache::OfBundles().Drop(version_);
  return module;
}

void GuestLoop::KeepCode(bool has_run) {
  if (version_.empty() || code_.IsEmpty() || !CodeCache::OfBundles().Wants(version_, has_run)) return;
  const v8::HandleScope scope(isolate_);
  const std::unique_ptr<v8::ScriptCompiler::CachedData> code(
      v8::ScriptCompiler::CreateCodeCache(code_.Get(isolate_)));
  if (code == nullptr) return;
  CodeCache::OfBundles().Keep(
      version_, std::string(reinterpret_cast<const char*>(code->data), static_cast<size_t>(code->length)),
      has_run);
}

// The prelude's hook makes three texts of it: the definition, and its two schemas.
GuestLoop::Loaded GuestLoop::ReadDefinition(Local<Value> definition) {
  const Local<v8::Context> context = context_.Get(isolate_);
  const v8::TryCatch caught(isolate_);
  Local<Value> described;
  std::string texts[3];
  bool read = describe_.Get(isolate_)
                  ->Call(context, v8::Undefined(isolate_), 1, &definition)
                  .ToLocal(&described) &&
              described->IsArray();
  for (uint32_t i = 0; read && i < std::size(texts); i++) {
    Local<Value> text;
    read = described.As<v8::Array>()->Get(context, i).ToLocal(&text) && text->IsString();
    if (read) texts[i] = Utf8Of(isolate_, text.As<v8::String>(), kDescriptionBytesMax + 1);
  }
  if (!read) return caught.HasCaught() && !caught.HasTerminated() ? FailsWith(caught.Exception()) : Loaded();
  if (texts[0].size() > kDescriptionBytesMax)
    return Fails("the definition is larger than " + std::to_string(kDescriptionBytesMax) + " bytes", "");
  input_schema_ = std::move(texts[1]);
  output_schema_ = std::move(texts[2]);
  return {"", std::move(texts[0])};
}

GuestLoop::Loaded GuestLoop::FailsWith(Local<Value> exception, std::string before) {
  const Thrown thrown = ReadThrown(context_.Get(isolate_), explain_.Get(isolate_), exception);
  return Fails(std::move(before) + thrown.message, thrown.stack);
}

}  // namespace locus
