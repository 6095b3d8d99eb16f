#include "guest_isolate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "guest_snapshot.h"

namespace locus {

namespace {

/// V8 puts a small array's bytes into a buffer when somebody asks for it, and ends the process if it gets none.
constexpr size_t kAlwaysGivenBytes = 64;
/// How many more bytes of buffers are given without asking V8 again how large its heap is.
constexpr size_t kUnaskedBytes = 1 << 20;
/// The young generation of an isolate: of its limit, doubled for each so many MiB of that.
constexpr size_t kYoungBytesMin = 1 << 20;
constexpr double kYoungDoublesEachMb = 128;
constexpr double kYoungDoublingsMax = 4;

/// V8 itself failed: nothing in this process can be trusted any more.
void OnFatalError(const char* location, const char* message) {
  std::fprintf(stderr, "sandbox host: %s: %s\n", location == nullptr ? "V8" : location, message);
  std::abort();
}

void OnOutOfMemory(const char* location, const v8::OOMDetails& details) {
  OnFatalError(location, details.is_heap_oom ? "a heap is full" : "there is no memory");
}

size_t YoungBytes(uint32_t memory_mb) {
  const double doublings = std::min(kYoungDoublingsMax, memory_mb / kYoungDoublesEachMb);
  return static_cast<size_t>(static_cast<double>(kYoungBytesMin) * std::exp2(doublings));
}

}  // namespace

bool GuestBuffers::HasRoom(size_t bytes) {
  if (bytes <= unasked_below_) return true;
  v8::HeapStatistics heap;
  isolate_->GetHeapStatistics(&heap);
  const size_t limit = heap.heap_size_limit();
  const size_t used = heap.used_heap_size();
  if (bytes > limit - std::min(limit, used)) return false;
  unasked_below_ = std::min(bytes + kUnaskedBytes, limit - used);
  return true;
}

void* GuestBuffers::Allocate(size_t bytes) {
  if (bytes > kAlwaysGivenBytes && !HasRoom(bytes_.load(std::memory_order_relaxed) + bytes)) return nullptr;
  void* const data = std::calloc(std::max<size_t>(bytes, 1), 1);
  if (data != nullptr) bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return data;
}

void GuestBuffers::Free(void* data, size_t bytes) {
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  std::free(data);
}

GuestIsolate::GuestIsolate(uint32_t memory_mb)
    : isolate_(v8::Isolate::Allocate()), entry_(isolate_), buffers_(std::make_shared<GuestBuffers>(isolate_)) {
  v8::Isolate::CreateParams params;
  GuestSnapshot::Get().SetUp(&params);
  params.constraints.set_max_young_generation_size_in_bytes(YoungBytes(memory_mb));
  params.constraints.set_max_old_generation_size_in_bytes(size_t{memory_mb} << 20);
  params.array_buffer_allocator_shared = buffers_;
  params.fatal_error_callback = OnFatalError;
  params.oom_error_callback = OnOutOfMemory;
  v8::Isolate::Initialize(isolate_, params);
  isolate_->Enter();
  isolate_->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
  const v8::HandleScope scope(isolate_);
  loop_ = std::make_unique<GuestLoop>(isolate_, v8::Context::New(isolate_));
  isolate_->AddGCEpilogueCallback(OnFullCollection, this, v8::kGCTypeMarkSweepCompact);
}

GuestIsolate::~GuestIsolate() {
  isolate_->RemoveGCEpilogueCallback(OnFullCollection, this);
  loop_.reset();
  entry_.CloseTasks();
  isolate_->Exit();
  isolate_->Deinitialize();
  // As soon as it is freed, another thread may get this address for its isolate.
  entry_.Remove();
  v8::Isolate::Free(isolate_);
}

// Heap and buffers have one limit together, and V8 knows that of the heap only.
void GuestIsolate::OnFullCollection(v8::Isolate* isolate, v8::GCType, v8::GCCallbackFlags, void* data) {
  auto* guest = static_cast<GuestIsolate*>(data);
  v8::HeapStatistics heap;
  isolate->GetHeapStatistics(&heap);
  if (heap.used_heap_size() + guest->buffers_->bytes() > heap.heap_size_limit()) guest->loop_->EndForMemory();
}

}  // namespace locus
