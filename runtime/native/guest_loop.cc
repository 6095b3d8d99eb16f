#include "guest_loop.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "guest_values.h"
#include "resp.h"
#include "ring_channel.h"
#include "socket_channel.h"

namespace locus {

namespace {

int64_t ThreadCpuNs() {
  timespec used = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

using v8::Local;
using v8::Value;

/// What V8 may take beyond an isolate's limit while the function that passed it is being ended. A builtin
/// that takes more than this at once meets the supervisor's watch.
constexpr size_t kHeapSlackBytes = 1 << 30;
/// How long a loop that awaits replies looks for them before it sleeps. About twice a round over the rings.
constexpr int64_t kSpinNs = 20'000;
/// What is kept of buffers that are used again.
constexpr size_t kKeepBytes = 256 * 1024;
constexpr size_t kKeepOperations = 4096;
constexpr size_t kIdleRoundsMax = 64;
/// One operation on the wire, at most; and when a round has as much it leaves.
constexpr size_t kOperationBytesMax = kRoundBytesMax / 2;
/// `$…\r\n` and `\r\n` around an argument.
constexpr size_t kBulkOverheadBytes = 16;
/// Operations of one invocation that are sent and not answered: they wait outside of its isolate's own limit.
constexpr size_t kUnansweredBytesMax = 32 << 20;
/// How old a reading of the thread's processor time may be when a turn begins.
constexpr int64_t kCpuStaleNs = 100'000;
constexpr uint64_t kTerminating = 1;
constexpr uint64_t kTerminated = 2;

/// How V8 words the RangeError for an array buffer that the isolate's limit leaves no room for.
constexpr std::string_view kAllocationFailed = "Array buffer allocation failed";

thread_local GuestLoop* current_loop = nullptr;

std::string Utf8Of(v8::Isolate* isolate, Local<v8::String> text, size_t bytes_max) {
  const size_t room = std::min<size_t>(static_cast<size_t>(text->Length()) * 3, bytes_max);
  std::string bytes(room, '\0');
  bytes.resize(text->WriteUtf8V2(isolate, bytes.data(), room, v8::String::WriteFlags::kReplaceInvalidUtf8));
  return bytes;
}

/// A property of whatever the guest threw, as text; empty where there is none or where reading it throws.
std::string TextProperty(Local<v8::Context> context, Local<v8::Object> object, const char* name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  const v8::TryCatch ignore(isolate);
  Local<Value> value;
  Local<v8::String> text;
  if (!object->Get(context, Text(isolate, name)).ToLocal(&value) || value->IsNullOrUndefined()) return "";
  if (!value->ToString(context).ToLocal(&text)) return "";
  return Utf8Of(isolate, text, kErrorTextBytesMax);
}

/// How many arguments stand before an object or a Map of pairs (runtime/channel/operation.ts: PAIRS_AFTER).
size_t PairsAt(std::string_view command) {
  if (command == "hset" || command == "hmset") return 1;
  if (command == "mset" || command == "msetnx") return 0;
  return SIZE_MAX;
}

/// The name given to call(), when it is a text short enough to be one.
std::string NameOf(v8::Isolate* isolate, const v8::FunctionCallbackInfo<Value>& info) {
  return info.Length() > 0 && info[0]->IsString() ? Utf8Of(isolate, info[0].As<v8::String>(), 64) : "";
}

}  // namespace

GuestLoop* GuestLoop::Current() {
  return current_loop;
}

GuestLoop::GuestLoop(v8::Isolate* isolate, Local<v8::Context> context)
    : isolate_(isolate),
      context_(isolate, context),
      slots_(kConcurrencyMax),
      generations_(kConcurrencyMax, 0) {}

GuestLoop::~GuestLoop() {
  Host::Get().Unwatch(this);
}

// ---- The loop
// -------------------------------------------------------------------------------------------------

std::string GuestLoop::Serve(uint32_t lane, std::string input_schema, std::string output_schema) {
  Host& host = Host::Get();
  lane_ = lane;
  input_schema_ = std::move(input_schema);
  output_schema_ = std::move(output_schema);
  if (lane == kControlLane || lane >= host.layout().lanes) return "no such lane";
  if (begin_.IsEmpty() || run_.IsEmpty()) return "the bundle was not described";
  if (!rings_.Map(host.memory_fd(), host.layout(), host.header(), lane)) return "could not map the lane";
  from_supervisor_ = RingConsumer(rings_.invocations_in, kInvocationFrameBytesMax);
  to_supervisor_ = RingProducer(rings_.invocations_out);
  if (host.layout().operation_rings) {
    channel_ = std::make_unique<RingChannel>(&rings_, host.header(), lane, host.supervisor_bell());
  } else {
    channel_ = std::make_unique<SocketChannel>(host.connections(), &rings_.words->isolate_bell,
                                               host.lane_bell(lane));
  }
  const v8::HandleScope scope(isolate_);
  const Local<v8::Context> context = context_.Get(isolate_);
  const v8::Context::Scope entered(context);
  current_loop = this;
  // The last callback added is the one that V8 asks: isolated-vm's own lets a leak go on for gigabytes.
  isolate_->AddNearHeapLimitCallback(OnNearHeapLimit, this);
  pthread_getcpuclockid(pthread_self(), &cpu_clock_);
  host.Watch(this);
  host.awake++;
  while (lost_.empty() && !(closing_ && by_id_.empty())) {
    const v8::HandleScope turn_scope(isolate_);
    bool found = TakeInvocations();
    found |= channel_->Receive([this](const Replies& replies) { OnReplies(replies); });
    if (to_supervisor_.pending_bytes() > 0) {
      to_supervisor_.Flush();
      host.Announce(lane_);
    }
    if (!timers_.empty()) found |= FireTimers(NowNs());
    // In a busy isolate the clock is the last turn's: a call that never settles must not wait for a quiet
    // moment.
    const int64_t now = found ? turn_ended_ns_ : NowNs();
    if (!by_id_.empty() && now >= earliest_deadline_ns_) found |= EndLate(now);
    if (!found) Wait();
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
  channel_.reset();
  return lost_;
}

size_t GuestLoop::OnNearHeapLimit(void* data, size_t current_limit, size_t) {
  auto* loop = static_cast<GuestLoop*>(data);
  loop->memory_exceeded_ = true;
  loop->isolate_->TerminateExecution();
  return current_limit + kHeapSlackBytes;
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
  for (const GuestTimer& timer : timers_) next = std::min(next, timer.due_ns);
  return next;
}

void GuestLoop::Wait() {
  Host& host = Host::Get();
  const bool awaits_replies = std::any_of(by_id_.begin(), by_id_.end(),
                                          [](const auto& entry) { return !entry.second->rounds.empty(); });
  const auto ready = [this] { return !from_supervisor_.empty() || to_supervisor_.can_flush(); };
  if (awaits_replies && host.layout().operation_rings &&
      host.awake.load(std::memory_order_relaxed) <= host.spinners_max) {
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

// ---- Invocations
// ----------------------------------------------------------------------------------------------

void GuestLoop::Begin(const Frame& frame) {
  Host& host = Host::Get();
  InvokeHeader header;
  std::string_view rest = frame.payload;
  if (rest.size() < sizeof header) return;
  std::memcpy(&header, rest.data(), sizeof header);
  rest.remove_prefix(sizeof header);
  const auto slot = static_cast<uint32_t>(
      std::find_if(slots_.begin(), slots_.end(), [](const auto& entry) { return entry == nullptr; }) -
      slots_.begin());
  if (slot == slots_.size()) return;  // the supervisor keeps to the function's concurrency

  slots_[slot] = std::make_unique<GuestInvocation>();
  GuestInvocation* invocation = slots_[slot].get();
  invocation->id = frame.id;
  invocation->slot = slot;
  invocation->started_ns = NowNs();
  invocation->waiting_since_ns = invocation->started_ns;
  invocation->deadline_ns = header.deadline_ns;
  invocation->cpu_limit_ns = header.cpu_limit_ns;
  invocation->operations_max = header.operations_max;
  by_id_[frame.id] = invocation;
  earliest_deadline_ns_ = std::min(earliest_deadline_ns_, header.deadline_ns);
  host.active_invocations.fetch_add(1, std::memory_order_relaxed);
  host.NoteActivity();

  const Local<v8::Context> context = context_.Get(isolate_);
  BeginTurn(invocation);
  {
    const v8::TryCatch caught(isolate_);
    std::vector<Local<Value>> keys;
    for (uint32_t i = 0; i < header.key_count && rest.size() >= sizeof(uint32_t); i++) {
      uint32_t bytes = 0;
      std::memcpy(&bytes, rest.data(), sizeof bytes);
      rest.remove_prefix(sizeof bytes);
      const std::string_view key = rest.substr(0, bytes);
      rest.remove_prefix(key.size());
      Local<v8::String> text;
      if (MakeString(isolate_, key).ToLocal(&text)) keys.push_back(text);
    }
    const std::string args(rest.substr(0, header.args_bytes));
    Local<v8::String> json;
    Local<Value> value;
    if (!input_schema_.empty() && !CheckSchema(invocation, "input", args)) {
      // Said there.
    } else if (!MakeString(isolate_, args).ToLocal(&json) ||
               !v8::JSON::Parse(context, json).ToLocal(&value)) {
      if (caught.HasTerminated()) return EndTurn();
      std::string why = "args are not JSON";
      Local<v8::String> text;
      if (caught.HasCaught() && !caught.HasTerminated() &&
          caught.Exception()->ToString(context).ToLocal(&text))
        why += ": " + Utf8Of(isolate_, text, 512);
      Fail(invocation, Code::ARGS_INVALID, std::move(why));
    } else {
      const uint32_t token = slot | (generations_[slot] << 8);
      Local<Value> arguments[] = {run_.Get(isolate_), v8::Integer::NewFromUnsigned(isolate_, token), value,
                                  v8::Array::New(isolate_, keys.data(), keys.size())};
      Local<Value> ignored;
      if (!begin_.Get(isolate_)->Call(context, v8::Undefined(isolate_), 4, arguments).ToLocal(&ignored)) {
        // Only a termination gets here: the prelude's begin catches everything else.
      }
    }
  }
  EndTurn();
}

GuestInvocation* GuestLoop::FindByToken(uint32_t token) {
  const uint32_t slot = token & 0xff;
  GuestInvocation* invocation = slots_[slot].get();
  return invocation != nullptr && generations_[slot] == token >> 8 ? invocation : nullptr;
}

// The outcome waits for the operations that the function issued and did not await: whoever has the result can
// rely on its writes.
void GuestLoop::Settle(GuestInvocation* invocation, bool fulfilled, Local<Value> value) {
  if (invocation->settled) return;
  invocation->settled = true;
  settled_.push_back(invocation->id);
  const Local<v8::Context> context = context_.Get(isolate_);
  v8::TryCatch caught(isolate_);
  if (!fulfilled) {
    if (value->IsObject()) {
      const Local<v8::Object> error = value.As<v8::Object>();
      Code code = CodeOfError(context, value, Code::FUNCTION_FAILED);
      std::string message = TextProperty(context, error, "message");
      if (message == kAllocationFailed) code = Code::MEMORY_LIMIT;
      const std::string name = TextProperty(context, error, "name");
      if (code == Code::FUNCTION_FAILED && !name.empty())
        message = message.empty() ? name : name + ": " + message;
      Fail(invocation, code, std::move(message));
      invocation->stack = MapStack(TextProperty(context, error, "stack"));
    } else {
      Local<v8::String> text;
      std::string thrown = "a value that has no text";
      if (value->ToDetailString(context).ToLocal(&text)) thrown = Utf8Of(isolate_, text, 1024);
      Fail(invocation, Code::FUNCTION_FAILED, "threw " + thrown);
    }
    return;
  }
  if (value->IsUndefined() || value->IsFunction() || value->IsSymbol()) {
    invocation->result = "null";
  } else {
    Local<v8::String> json;
    if (!v8::JSON::Stringify(context, value).ToLocal(&json)) {
      if (caught.HasTerminated() || isolate_->IsExecutionTerminating()) return;  // the turn's end says why
      std::string why = "the result is not JSON";
      if (caught.HasCaught() && !caught.HasTerminated() && caught.Exception()->IsObject())
        why += ": " + TextProperty(context, caught.Exception().As<v8::Object>(), "message");
      Fail(invocation, Code::RESULT_INVALID, std::move(why));
      return;
    }
    const size_t bytes = json->Utf8LengthV2(isolate_);
    if (bytes > kResultBytesMax) {
      Fail(invocation, Code::RESULT_TOO_LARGE,
           "the result is " + std::to_string(bytes) + " bytes long; at most " +
               std::to_string(kResultBytesMax) + " may be returned");
      return;
    }
    invocation->result = Utf8Of(isolate_, json, bytes);
    if (invocation->result == "undefined") invocation->result = "null";  // a toJSON that returned nothing
  }
  if (!output_schema_.empty()) CheckSchema(invocation, "output", invocation->result);
}

void GuestLoop::Fail(GuestInvocation* invocation, Code code, std::string message) {
  invocation->settled = true;
  settled_.push_back(invocation->id);
  if (invocation->fatal != Code::kOk) return;
  invocation->fatal = code;
  invocation->fatal_message = std::move(message);
}

void GuestLoop::SendOutcome(const GuestInvocation& invocation, Code code, std::string_view result,
                            std::string_view message, std::string_view stack) {
  OutcomeHeader header = {};
  header.code = static_cast<uint32_t>(code);
  header.usage = invocation.usage;
  header.retire = retire_ || !lost_.empty() ? 1 : 0;
  header.lost = code == Code::SANDBOX_DIED ? 1 : 0;
  header.log_lines_dropped = invocation.log_lines_dropped;
  message = message.substr(0, kErrorTextBytesMax);
  stack = stack.substr(0, kErrorTextBytesMax);
  header.result_bytes = static_cast<uint32_t>(result.size());
  header.message_bytes = static_cast<uint32_t>(message.size());
  header.stack_bytes = static_cast<uint32_t>(stack.size());
  std::string body(reinterpret_cast<const char*>(&header), sizeof header);
  body.reserve(sizeof header + result.size() + message.size() + stack.size());
  body.append(result).append(message).append(stack);
  to_supervisor_.Write(static_cast<uint16_t>(FromIsolate::kOutcome), invocation.id, body);
  Host::Get().Announce(lane_);
}

// The mark that it wrote stays until the supervisor has the outcome: it may have to decide about another run.
void GuestLoop::Finish(GuestInvocation* invocation, Code code, std::string_view result,
                       std::string_view message, std::string_view stack) {
  SendOutcome(*invocation, code, result, message, stack);
  Host::Get().active_invocations.fetch_sub(1, std::memory_order_relaxed);

  channel_->Forget(invocation->id);
  std::erase_if(timers_, [&](const GuestTimer& timer) { return timer.invocation == invocation->id; });
  by_id_.erase(invocation->id);
  const uint32_t slot = invocation->slot;
  generations_[slot] = (generations_[slot] + 1) & 0x3fffff;
  if (current_ == invocation) current_ = nullptr;
  slots_[slot].reset();
}

// The isolate cannot go on: what is in flight, or has come and not begun, ended through no fault of its own.
void GuestLoop::LoseAll() {
  const std::string why = "the isolate was lost: " + lost_;
  while (!by_id_.empty()) Finish(by_id_.begin()->second, Code::SANDBOX_DIED, "", why, "");
  Frame frame;
  while (from_supervisor_.Read(&frame)) {
    if (static_cast<ToIsolate>(frame.kind) == ToIsolate::kInvoke) {
      GuestInvocation unborn;
      unborn.id = frame.id;
      unborn.slot = kConcurrencyMax;
      SendOutcome(unborn, Code::SANDBOX_DIED, "", why, "");
    }
    from_supervisor_.Release();
  }
}

// Answers the invocation when nothing of it is outstanding, or at once when it has failed.
void GuestLoop::FinishIfDone(GuestInvocation* invocation) {
  if (!invocation->settled) return;
  if (invocation->fatal != Code::kOk) {
    // Of a function that failed by itself, the writes that it had issued are waited for like those of one
    // that did not.
    if (invocation->fatal == Code::FUNCTION_FAILED && !invocation->rounds.empty()) return;
    Finish(invocation, invocation->fatal, "", invocation->fatal_message, invocation->stack);
    return;
  }
  if (invocation->rounds.empty()) Finish(invocation, Code::kOk, invocation->result, "", "");
}

bool GuestLoop::EndLate(int64_t now) {
  std::vector<GuestInvocation*> late;
  earliest_deadline_ns_ = INT64_MAX;
  for (const auto& [id, invocation] : by_id_) {
    if (invocation->deadline_ns <= now) {
      late.push_back(invocation);
    } else {
      earliest_deadline_ns_ = std::min(earliest_deadline_ns_, invocation->deadline_ns);
    }
  }
  for (GuestInvocation* invocation : late)
    Finish(invocation, Code::DEADLINE_EXCEEDED, "", "the function did not end before its deadline", "");
  return !late.empty();
}

// ---- Turns
// ----------------------------------------------------------------------------------------------------

void GuestLoop::BeginTurn(GuestInvocation* invocation) {
  current_ = invocation;
  turn_started_ns_ = NowNs();
  invocation->usage.wait_ns += static_cast<uint64_t>(turn_started_ns_ - invocation->waiting_since_ns);
  if (turn_started_ns_ - cpu_read_ns_ > kCpuStaleNs) {
    cpu_at_ns_ = ThreadCpuNs();
    cpu_read_ns_ = turn_started_ns_;
  }
  turn_deadline_ns_.store(invocation->deadline_ns, std::memory_order_relaxed);
  turn_cpu_until_ns_.store(
      cpu_at_ns_ + invocation->cpu_limit_ns - static_cast<int64_t>(invocation->usage.cpu_ns),
      std::memory_order_relaxed);
  rings_.words->turn_invocation.store(invocation->id, std::memory_order_relaxed);
  rings_.words->turn_started_ns.store(turn_started_ns_, std::memory_order_relaxed);
  turn_.store(++turns_ * 4, std::memory_order_release);
}

void GuestLoop::EndTurn() {
  isolate_->PerformMicrotaskCheckpoint();
  uint64_t running = turns_ * 4;
  bool terminated = false;
  if (!turn_.compare_exchange_strong(running, 0)) {
    // The watchdog is at it: what it set out to terminate is this turn and no other.
    while ((turn_.load() & 3) != kTerminated) Relax();
    turn_.store(0);
    isolate_->CancelTerminateExecution();
    terminated = true;
  }
  // isolated-vm ends an isolate in its own way when a collection leaves it above its limit.
  if (memory_exceeded_ || (!terminated && isolate_->IsExecutionTerminating())) lost_ = "its memory ran out";
  const int64_t now = NowNs();
  rings_.words->turn_started_ns.store(0, std::memory_order_relaxed);
  GuestInvocation* invocation = current_;
  current_ = nullptr;
  turn_ended_ns_ = now;
  invocation->usage.cpu_ns += static_cast<uint64_t>(TurnCpuNs(now));
  invocation->waiting_since_ns = now;
  if (!lost_.empty()) {
    Finish(invocation, Code::MEMORY_LIMIT, "", "the function needed more memory than it may have", "");
    return;
  }
  if (terminated) {
    // What else the isolate has in flight may finish; new invocations get a fresh one.
    retire_ = true;
    if (now >= invocation->deadline_ns) {
      Fail(invocation, Code::DEADLINE_EXCEEDED, "the function did not end before its deadline");
    } else if (rings_.words->cancelled.load() == invocation->id) {
      Fail(invocation, Code::CANCELLED, "the invocation was cancelled");
    } else {
      Fail(invocation, Code::CPU_LIMIT,
           "the function computed for more than " + std::to_string(invocation->cpu_limit_ns / 1'000'000) +
               " ms");
    }
  }
  SendRound(invocation);
  if (collecting_others_) SendRoundsOfOthers();
  FinishSettled(invocation->id);
}

// A turn can settle others than its own invocation: they may wait for one promise. And the round that has
// just been answered may have been the last that a settled one waited for.
void GuestLoop::FinishSettled(uint64_t own) {
  settled_.push_back(own);
  for (const uint64_t id : std::exchange(settled_, {})) {
    if (const auto found = by_id_.find(id); found != by_id_.end()) FinishIfDone(found->second);
  }
}

// Short turns count by the clock on the wall, which is cheap; what the system did with other threads
// meanwhile shows in long ones, and those ask for the thread's own time.
int64_t GuestLoop::TurnCpuNs(int64_t now) {
  const int64_t wall = now - turn_started_ns_;
  if (wall <= kCpuStaleNs) return wall;
  const int64_t before = cpu_at_ns_;
  cpu_at_ns_ = ThreadCpuNs();
  cpu_read_ns_ = now;
  return std::min(wall, cpu_at_ns_ - before);
}

bool GuestLoop::IsTurnOver(int64_t now_ns) const {
  if (turn_deadline_ns_.load(std::memory_order_relaxed) <= now_ns) return true;
  const LaneWords* words = rings_.words;
  if (words->cancelled.load(std::memory_order_relaxed) ==
      words->turn_invocation.load(std::memory_order_relaxed))
    return true;
  timespec used = {};
  if (clock_gettime(cpu_clock_, &used) != 0) return false;
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec >=
         turn_cpu_until_ns_.load(std::memory_order_relaxed);
}

void GuestLoop::TerminateLateTurn(int64_t now_ns) {
  uint64_t running = turn_.load(std::memory_order_acquire);
  if (running == 0 || (running & 3) != 0 || !IsTurnOver(now_ns)) return;
  if (!turn_.compare_exchange_strong(running, running | kTerminating)) return;
  isolate_->TerminateExecution();
  turn_.store(running | kTerminated);
}

void GuestLoop::SendRound(GuestInvocation* invocation) {
  if (invocation->operations.empty()) return;
  Round round;
  round.invocation = invocation->id;
  round.number = invocation->next_round++;
  round.operations = static_cast<uint32_t>(invocation->operations.size());
  round.commands = invocation->commands;
  invocation->usage.rounds++;
  invocation->usage.operations += round.operations;
  invocation->usage.bytes_out += round.commands.size();
  if (invocation->writes && !invocation->marked) {
    invocation->marked = true;
    rings_.words->wrote[invocation->slot].store(invocation->id, std::memory_order_seq_cst);
  }
  // Rounds and their vectors are used again: a chain of reads makes one after the other.
  if (idle_rounds_.empty()) idle_rounds_.emplace_back();
  PendingRound& pending = idle_rounds_.front();
  pending.number = round.number;
  pending.answered = 0;
  pending.bytes = round.commands.size();
  invocation->unanswered_bytes += pending.bytes;
  pending.operations.clear();
  pending.operations.swap(invocation->operations);
  invocation->rounds.splice(invocation->rounds.end(), idle_rounds_, idle_rounds_.begin());
  channel_->Send(round);
  invocation->commands.clear();
  if (invocation->commands.capacity() > kKeepBytes) invocation->commands.shrink_to_fit();
  invocation->writes = false;
}

void GuestLoop::RetireRound(GuestInvocation* invocation, std::list<PendingRound>::iterator round) {
  invocation->unanswered_bytes -= round->bytes;
  round->operations.clear();
  if (idle_rounds_.size() >= kIdleRoundsMax || round->operations.capacity() > kKeepOperations) {
    invocation->rounds.erase(round);
  } else {
    idle_rounds_.splice(idle_rounds_.end(), invocation->rounds, round);
  }
}

void GuestLoop::SendRoundsOfOthers() {
  collecting_others_ = false;
  for (const auto& [id, invocation] : by_id_) SendRound(invocation);
}

void GuestLoop::OnReplies(const Replies& replies) {
  const auto found = by_id_.find(replies.invocation);
  if (found == by_id_.end()) return;  // has ended meanwhile
  GuestInvocation* invocation = found->second;
  const auto round =
      std::find_if(invocation->rounds.begin(), invocation->rounds.end(),
                   [&](const PendingRound& pending) { return pending.number == replies.round; });
  if (round == invocation->rounds.end()) return;
  const v8::HandleScope scope(isolate_);
  const Local<v8::Context> context = context_.Get(isolate_);
  BeginTurn(invocation);
  invocation->usage.bytes_in += replies.bytes.size();
  std::string_view bytes = replies.bytes;
  {
    const v8::TryCatch caught(isolate_);
    const size_t until = replies.failure == Code::kOk
                             ? std::min<size_t>(round->operations.size(), round->answered + replies.count)
                             : round->operations.size();
    for (; round->answered < until; round->answered++) {
      PendingOperation& operation = round->operations[round->answered];
      const v8::HandleScope operation_scope(isolate_);
      const Local<v8::Promise::Resolver> resolver = operation.resolver.Get(isolate_);
      operation.resolver.Reset();
      DecodedReply reply;
      if (replies.failure != Code::kOk) {
        reply.value = MakeError(isolate_, replies.failure, replies.message);
        reply.is_error = true;
      } else if (!DecodeReply(isolate_, context, &bytes, operation.shape, operation.binary, &reply)) {
        Fail(invocation, Code::INTERNAL, "a reply of Redis could not be read");
        break;
      }
      if (reply.is_error) {
        resolver->Reject(context, reply.value).FromMaybe(false);
      } else {
        resolver->Resolve(context, reply.value).FromMaybe(false);
      }
    }
  }
  // The function goes on when the whole round is there, so that what follows from it shares the next one.
  if (round->answered == round->operations.size()) {
    RetireRound(invocation, round);
    EndTurn();
  } else {
    PauseTurn();
  }
}

// Replies were taken in, but nothing of the guest has run.
void GuestLoop::PauseTurn() {
  uint64_t running = turns_ * 4;
  if (!turn_.compare_exchange_strong(running, 0)) {
    EndTurn();
    return;
  }
  const int64_t now = NowNs();
  rings_.words->turn_started_ns.store(0, std::memory_order_relaxed);
  current_->usage.cpu_ns += static_cast<uint64_t>(TurnCpuNs(now));
  current_->waiting_since_ns = now;
  turn_ended_ns_ = now;
  FinishSettled(std::exchange(current_, nullptr)->id);
}

// ---- Operations
// -----------------------------------------------------------------------------------------------

// An operation's size is bounded as it is taken in, by what it will take on the wire.
bool GuestLoop::TakeArgument(Local<v8::Context> context, Local<Value> value) {
  const size_t before = arena_.size();
  const size_t taken = before + ends_.size() * kBulkOverheadBytes;
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

void GuestLoop::Operate(const v8::FunctionCallbackInfo<Value>& info, uint32_t command, bool binary,
                        bool named) {
  const Local<v8::Context> context = isolate_->GetCurrentContext();
  Local<v8::Promise::Resolver> resolver;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver)) return;
  info.GetReturnValue().Set(resolver->GetPromise());
  const auto refuse = [&](Code code, std::string_view message) {
    resolver->Reject(context, MakeError(isolate_, code, message)).FromMaybe(false);
  };

  const Local<v8::Data> field = info.This()->GetInternalField(0);
  GuestInvocation* invocation = field->IsValue() && field.As<Value>()->IsUint32()
                                    ? FindByToken(field.As<v8::Uint32>()->Value())
                                    : nullptr;
  if (invocation == nullptr || invocation->settled)
    return refuse(Code::CANCELLED, "an operation came after its invocation had ended");
  if (invocation->usage.operations + invocation->operations.size() >= invocation->operations_max) {
    std::string message =
        "the invocation sent more than " + std::to_string(invocation->operations_max) + " operations";
    refuse(Code::OPERATIONS_LIMIT, message);
    return Fail(invocation, Code::OPERATIONS_LIMIT, std::move(message));
  }

  arena_.clear();
  ends_.clear();
  const CommandRule* rule = named ? nullptr : &CommandRules()[command];
  {
    v8::TryCatch caught(isolate_);
    if (rule != nullptr) {
      arena_.append(rule->name);
      ends_.push_back(arena_.size());
    }
    const size_t pairs_at = named ? PairsAt(NameOf(isolate_, info)) : PairsAt(rule->name);
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

  if (invocation->unanswered_bytes + invocation->commands.size() > kUnansweredBytesMax) {
    std::string message = "the invocation has sent more than " + std::to_string(kUnansweredBytesMax) +
                          " bytes of operations without waiting for their replies";
    refuse(Code::OPERATIONS_LIMIT, message);
    return Fail(invocation, Code::OPERATIONS_LIMIT, std::move(message));
  }
  AppendArrayHeader(&invocation->commands, argv_.size());
  for (const std::string_view argument : argv_) AppendBulk(&invocation->commands, argument);
  invocation->operations.push_back(
      {v8::Global<v8::Promise::Resolver>(isolate_, resolver), rule->shape, binary});
  invocation->writes |= !IsRead(*rule);
  if (invocation != current_) collecting_others_ = true;
  // A turn that issues more than a round may hold sends it in several.
  if (invocation->operations.size() >= kRoundOperationsMax ||
      invocation->commands.size() >= kOperationBytesMax)
    SendRound(invocation);
  if (arena_.capacity() > kKeepBytes) std::string().swap(arena_);
  if (ends_.capacity() > kKeepOperations) std::vector<size_t>().swap(ends_);
}

// ---- Timers and log lines
// -------------------------------------------------------------------------------------

uint32_t GuestLoop::SetTimer(int64_t delay_ms, Local<v8::Function> callback) {
  timers_.push_back({++next_timer_, current_->id, NowNs() + std::max<int64_t>(delay_ms, 0) * 1'000'000,
                     v8::Global<v8::Function>(isolate_, callback)});
  return next_timer_;
}

void GuestLoop::ClearTimer(uint32_t id) {
  std::erase_if(timers_, [&](const GuestTimer& timer) { return timer.id == id; });
}

bool GuestLoop::FireTimers(int64_t now) {
  bool found = false;
  for (;;) {
    const auto due =
        std::min_element(timers_.begin(), timers_.end(), [](const GuestTimer& a, const GuestTimer& b) {
          return a.due_ns != b.due_ns ? a.due_ns < b.due_ns : a.id < b.id;
        });
    if (due == timers_.end() || due->due_ns > now || !lost_.empty()) return found;
    found = true;
    const GuestTimer timer = std::move(*due);
    timers_.erase(due);
    const auto invocation = by_id_.find(timer.invocation);
    if (invocation == by_id_.end()) continue;
    const v8::HandleScope scope(isolate_);
    BeginTurn(invocation->second);
    {
      const Local<v8::Context> context = context_.Get(isolate_);
      const v8::TryCatch caught(isolate_);
      Local<Value> ignored;
      if (!timer.callback.Get(isolate_)
               ->Call(context, v8::Undefined(isolate_), 0, nullptr)
               .ToLocal(&ignored) &&
          caught.HasCaught() && !caught.HasTerminated())
        Settle(current_, false, caught.Exception());
    }
    EndTurn();
  }
}

void GuestLoop::Log(GuestInvocation* invocation, std::string_view line) {
  // The supervisor bounds what it keeps; this bounds what crosses the ring.
  if (invocation->log_bytes > kLogBytesMax) {
    invocation->log_lines_dropped++;
    return;
  }
  invocation->log_bytes += line.size() + 1;
  to_supervisor_.Write(static_cast<uint16_t>(FromIsolate::kLog), invocation->id,
                       line.substr(0, kLogBytesMax));
  Host::Get().Announce(lane_);
}

// ---- The auxiliary context
// ------------------------------------------------------------------------------------

bool GuestLoop::OpenAuxiliary() {
  if (!auxiliary_.IsEmpty()) return true;
  if (auxiliary_failed_) return false;
  const GuestSources& sources = Host::Get().sources();
  const Local<v8::Context> context = v8::Context::New(isolate_);
  const v8::Context::Scope entered(context);
  Local<v8::String> text;
  Local<v8::Script> script;
  Local<Value> exports;
  auxiliary_failed_ = true;
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
  auxiliary_failed_ = false;
  auxiliary_.Reset(isolate_, context);
  auxiliary_exports_.Reset(isolate_, exports.As<v8::Object>());
  auxiliary_script_.Reset(isolate_, script);
  return true;
}

// In an isolate that runs nothing else: what V8 has compiled after one use serves all later isolates.
void GuestLoop::Warm() {
  GuestSources& sources = Host::Get().sources();
  if (sources.warmed.load()) return;
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

bool GuestLoop::CheckSchema(GuestInvocation* invocation, const char* which, std::string_view json) {
  const bool input = which[0] == 'i';
  Local<Value> verdict;
  if (!Auxiliary("check", {which, input ? input_schema_ : output_schema_, json}).ToLocal(&verdict)) {
    if (!isolate_->IsExecutionTerminating())
      Fail(invocation, input ? Code::ARGS_INVALID : Code::RESULT_INVALID,
           std::string("the function's ") + which + " schema could not be applied");
    return false;
  }
  if (!verdict->IsString()) return true;
  Fail(invocation, input ? Code::ARGS_INVALID : Code::RESULT_INVALID,
       Utf8Of(isolate_, verdict.As<v8::String>(), kErrorTextBytesMax));
  return false;
}

std::string GuestLoop::MapStack(std::string_view stack) {
  if (stack.empty() || source_map_.empty()) return std::string(stack);
  Local<Value> mapped;
  if (!Auxiliary("mapStack", {source_map_, stack}).ToLocal(&mapped) || !mapped->IsString())
    return std::string(stack);
  return Utf8Of(isolate_, mapped.As<v8::String>(), kErrorTextBytesMax);
}

}  // namespace locus
