#include "guest_loop.h"

#include <sched.h>

#include <algorithm>

#include "guest_natives.h"
#include "guest_snapshot.h"
#include "guest_values.h"
#include "ring_channel.h"
#include "socket_channel.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// What V8 may take beyond an isolate's limit while the function that passed it is being ended. A builtin
/// that takes more than this at once meets the supervisor's watch.
constexpr size_t kHeapSlackBytes = 1 << 30;
/// How long a loop that awaits replies looks for them before it sleeps: longer than a wake-up takes (bench
/// khop: with 20 µs a walk waited 400 to 590 µs in four rounds, with 100 µs 250 to 300).
constexpr int64_t kSpinNs = 100'000;

/// Pause between two measurements of memory at least, and how often the time that one took.
constexpr int64_t kMemoryPauseNs = 100'000'000;
constexpr int64_t kMemoryPauseTimes = 100;

thread_local GuestLoop* current_loop = nullptr;

/// import() of what bundling could not take in, since its name is computed.
v8::MaybeLocal<v8::Promise> RefuseImport(Local<v8::Context> context, Local<v8::Data>, Local<Value>,
                                         Local<v8::String> specifier, Local<v8::FixedArray>) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Local<v8::Promise::Resolver> resolver;
  Local<v8::String> text;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver) ||
      !MakeString(isolate, "cannot import \"" + Utf8Of(isolate, specifier, 256) +
                               "\": a function has only the modules that bundling found, and that finds "
                               "those whose names are written out, as in import(\"./file.ts\")")
           .ToLocal(&text))
    return {};
  resolver->Reject(context, v8::Exception::TypeError(text)).FromMaybe(false);
  return resolver->GetPromise();
}

}  // namespace

GuestLoop* GuestLoop::Current() {
  return current_loop;
}

GuestLoop::GuestLoop(v8::Isolate* isolate, Local<v8::Context> context)
    : isolate_(isolate),
      context_(isolate, context),
      opened_ns_(NowNs()),
      slots_(kConcurrencyMax),
      generations_(kConcurrencyMax, 0) {
  isolate->SetData(kSlot, this);
  isolate->SetPromiseRejectCallback(OnPromiseReject);
  isolate->SetHostImportModuleDynamicallyCallback(RefuseImport);
  redis_template_.Reset(isolate, MakeRedisTemplate(isolate));
  const Local<v8::Object> hooks = GuestSnapshot::Hooks(context);
  const auto hook = [&](const char* name, v8::Global<v8::Function>* function) {
    const Local<Value> value = hooks->Get(context, Text(isolate, name)).ToLocalChecked();
    function->Reset(isolate, value.As<v8::Function>());
  };
  v8::Global<v8::Function> opened;
  hook("opened", &opened);
  const v8::Context::Scope entered(context);
  opened.Get(isolate)->Call(context, v8::Undefined(isolate), 0, nullptr).ToLocalChecked();
  hook("begin", &begin_);
  hook("describe", &describe_);
  hook("findLoss", &find_loss_);
  hook("explain", &explain_);
}

GuestLoop::~GuestLoop() {
  Host::Get().Unwatch(this);
  isolate_->SetData(kSlot, nullptr);
}

std::string GuestLoop::Serve(uint32_t lane) {
  Host& host = Host::Get();
  lane_ = lane;
  if (lane == kControlLane || lane >= host.layout().lanes) return "no such lane";
  if (!rings_.Map(host.memory_fd(), host.layout(), host.header(), lane)) return "could not map the lane";
  from_supervisor_ = RingConsumer(rings_.invocations_in, kInvocationFrameBytesMax);
  to_supervisor_ = RingProducer(rings_.invocations_out);
  if (host.layout().operation_rings) {
    channel_ = std::make_unique<RingChannel>(&rings_, host.header(), lane, host.supervisor_bell());
    if (host.read_cache() != nullptr) found_reads_.emplace(isolate_, host.read_cache());
  } else {
    channel_ = std::make_unique<SocketChannel>(host.connections(), &rings_.words->isolate_bell,
                                               host.lane_bells());
  }
  const v8::HandleScope scope(isolate_);
  const Local<v8::Context> context = context_.Get(isolate_);
  const v8::Context::Scope entered(context);
  current_loop = this;
  isolate_->AddNearHeapLimitCallback(OnNearHeapLimit, this);
  pthread_getcpuclockid(pthread_self(), &cpu_clock_);
  host.Watch(this);
  host.awake++;
  MeasureMemory();
  // The first call is followed by another measurement, so that the supervisor soon knows what this function holds.
  measure_after_ns_ = 0;
  turn_ended_ns_ = NowNs();
  while (lost_.empty() && !(closing_ && by_id_.empty())) {
    const v8::HandleScope turn_scope(isolate_);
    bool found = TakeInvocations();
    found |= HandOverFound();
    found |= channel_->Receive([this](const Replies& replies) { OnReplies(replies); });
    if (to_supervisor_.pending_bytes() > 0) {
      to_supervisor_.Flush();
      host.Announce(lane_);
    }
    pace_.Look(turn_ended_ns_);
    if (!timers_.empty()) found |= FireTimers(NowNs());
    // In a busy isolate the clock is the last turn's: a call that never settles must not wait for a quiet
    // moment.
    const int64_t now = found ? turn_ended_ns_ : NowNs();
    if (!by_id_.empty() && now >= earliest_deadline_ns_) found |= EndLate(now);
    if (memory_stale_ && now >= measure_after_ns_) MeasureMemory();
    if (!found && found_rounds_.empty()) Wait();
  }
  host.awake--;
  if (!lost_.empty()) LoseAll();
  host.Unwatch(this);
  isolate_->RemoveNearHeapLimitCallback(OnNearHeapLimit, 0);
  // What is still queued for the supervisor goes before the loop does.
  while (to_supervisor_.pending_bytes() > 0 && !to_supervisor_.Flush()) {
    host.Announce(lane_);
    AnnounceSleep(&rings_.words->isolate_bell, Sleep::kOnFutex);
    SleepOnFutex(&rings_.words->isolate_bell, NowNs() + 10'000'000);
  }
  host.Announce(lane_);
  current_loop = nullptr;
  if (lost_.empty()) KeepCode(has_run_);
  channel_.reset();
  found_reads_.reset();
  return lost_;
}

// What V8 has taken for the heap, used or not, and what lies outside of it: buffers, and V8's own.
void GuestLoop::MeasureMemory() {
  const int64_t began_ns = NowNs();
  v8::HeapStatistics heap;
  isolate_->GetHeapStatistics(&heap);
  rings_.words->memory_bytes.store(heap.total_heap_size() + heap.external_memory() + heap.malloced_memory(),
                                   std::memory_order_relaxed);
  const int64_t now = NowNs();
  memory_stale_ = false;
  measure_after_ns_ = now + std::max(kMemoryPauseNs, kMemoryPauseTimes * (now - began_ns));
}

size_t GuestLoop::OnNearHeapLimit(void* data, size_t current_limit, size_t) {
  static_cast<GuestLoop*>(data)->EndForMemory();
  return current_limit + kHeapSlackBytes;
}

void GuestLoop::EndForMemory() {
  memory_exceeded_ = true;
  isolate_->TerminateExecution();
}

bool GuestLoop::TakeInvocations() {
  bool found = false;
  bool wake = false;
  Frame frame;
  while (lost_.empty() && from_supervisor_.Read(&frame)) {
    found = true;
    switch (static_cast<ToIsolate>(frame.kind)) {
      case ToIsolate::kInvoke:
        Begin(frame);
        break;
      case ToIsolate::kCancel:
        if (const auto invocation = by_id_.find(frame.id); invocation != by_id_.end())
          Finish(invocation->second, Code::CANCELLED, "", "", "");
        break;
      case ToIsolate::kMayWrite:
        if (const auto invocation = by_id_.find(frame.id); invocation != by_id_.end())
          AllowWrites(invocation->second);
        break;
      case ToIsolate::kClose:
        closing_ = true;
        break;
    }
    wake |= from_supervisor_.Release();
  }
  wake |= from_supervisor_.TakeProducerWake();
  if (wake) Host::Get().Announce(lane_);
  return found;
}

int64_t GuestLoop::NextWakeNs() const {
  int64_t next = INT64_MAX;
  for (const auto& [id, invocation] : by_id_) next = std::min(next, invocation->deadline_ns);
  if (!timers_.empty()) next = std::min(next, timers_.begin()->first.first);
  if (memory_stale_) next = std::min(next, measure_after_ns_);
  return next;
}

void GuestLoop::Wait() {
  Host& host = Host::Get();
  const bool awaits_replies = std::any_of(by_id_.begin(), by_id_.end(),
                                          [](const auto& entry) { return !entry.second->rounds.empty(); });
  const auto ready = [this] { return !from_supervisor_.empty() || to_supervisor_.can_flush(); };
  if (awaits_replies && host.layout().operation_rings &&
      host.awake.load(std::memory_order_relaxed) <=
          host.header()->spinners_max.load(std::memory_order_relaxed)) {
    const std::atomic<int32_t>& service_core = host.header()->service_core;
    const int64_t until = NowNs() + kSpinNs;
    while (service_core.load(std::memory_order_relaxed) != sched_getcpu() && NowNs() < until) {
      for (int i = 0; i < 64; i++) {
        if (channel_->HasReplies() || ready()) return;
        Relax();
      }
    }
  }
  host.awake--;
  channel_->Sleep(NextWakeNs(), ready);
  host.awake++;
}

}  // namespace locus
