// An invocation in its isolate: how it begins, settles and is answered, its timers and its log.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "frames.h"
#include "guest_loop.h"
#include "guest_thrown.h"
#include "guest_values.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// What invocations have read leaves room that is used again, of so many.
constexpr size_t kIdleReadsMax = 32;

/// Of its own accord, as against one that is ended.
bool IsThrown(Code code) {
  return code == Code::FUNCTION_FAILED || code == Code::CALL_REFUSED;
}

/// Whether the JSON has what a Map, a Set, a Promise (`{}`) or an array of bytes (`{"0":…}`) become: a look
/// at the value tells then.
bool MayHaveLost(std::string_view json) {
  // Sixteen places at once: a result may be megabytes long.
  using Bytes = uint8_t __attribute__((vector_size(16)));
  const auto at = [&](size_t from) {
    Bytes bytes;
    std::memcpy(&bytes, json.data() + from, sizeof bytes);
    return bytes;
  };
  size_t looked = 0;
  for (; looked + sizeof(Bytes) + 2 <= json.size(); looked += sizeof(Bytes)) {
    const Bytes next = at(looked + 1);
    const auto found = (at(looked) == '{') & ((next == '}') | ((next == '"') & (at(looked + 2) == '0')));
    uint64_t halves[2];
    std::memcpy(halves, &found, sizeof halves);
    if ((halves[0] | halves[1]) != 0) return true;
  }
  const std::string_view rest = json.substr(looked);
  return rest.find("{}") != std::string_view::npos || rest.find("{\"0") != std::string_view::npos;
}

}  // namespace

void GuestLoop::Begin(const Frame& frame) {
  Host& host = Host::Get();
  InvokeFrame invoke;
  if (!ReadInvoke(frame.payload, &invoke)) return;
  const InvokeHeader& header = invoke.header;
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
  invocation->back_cpu_ns = header.back_cpu_ns;
  if (MayGoBack(*invocation) && !idle_reads_.empty()) {
    invocation->reads = std::move(idle_reads_.back());
    idle_reads_.pop_back();
  }
  invocation->asks_to_write = header.asks_to_write != 0;
  invocation->reader = header.reader;
  // What cannot be used is read again.
  if (!invoke.known.empty()) invocation->known.Read(invoke.known);
  by_id_[frame.id] = invocation;
  earliest_deadline_ns_ = std::min(earliest_deadline_ns_, header.deadline_ns);
  host.active_invocations.fetch_add(1, std::memory_order_relaxed);
  host.NoteActivity();

  const Local<v8::Context> context = context_.Get(isolate_);
  BeginTurn(invocation);
  {
    const v8::TryCatch caught(isolate_);
    std::vector<Local<Value>> keys;
    for (const std::string_view key : invoke.keys) {
      Local<v8::String> text;
      if (MakeString(isolate_, key).ToLocal(&text)) keys.push_back(text);
    }
    const std::string args(invoke.args);
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
          caught.Exception()->ToString(context).ToLocal(&text)) {
        // As the check against a schema says it.
        const std::string said = Utf8Of(isolate_, text, 512);
        constexpr std::string_view kName = "SyntaxError: ";
        why += ": " + (said.starts_with(kName) ? said.substr(kName.size()) : said);
      }
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
  TakeOutcome(invocation, fulfilled, value);
  // Where the turn was ended meanwhile, its end says why, but of the invocation whose turn it is.
  if (invocation != current_ && invocation->fatal == Code::kOk && invocation->result.empty())
    Fail(invocation, Code::FUNCTION_FAILED,
         "it ended in a turn of another invocation of its isolate, which had to be ended");
}

// Into `result` or `fatal`; into neither where the turn was ended meanwhile.
void GuestLoop::TakeOutcome(GuestInvocation* invocation, bool fulfilled, Local<Value> value) {
  const Local<v8::Context> context = context_.Get(isolate_);
  v8::TryCatch caught(isolate_);
  if (!fulfilled) {
    Thrown thrown = ReadThrown(context, explain_.Get(isolate_), value);
    if (thrown.terminated) return;
    Fail(invocation, thrown.code, std::move(thrown.message));
    invocation->stack = MapStack(thrown.stack);
    invocation->result = std::move(thrown.refusal);
    return;
  }
  const auto refuse = [&](std::string_view why) {
    if (caught.HasTerminated() || isolate_->IsExecutionTerminating()) return;
    Fail(invocation, Code::RESULT_INVALID, "the result is not JSON: " + std::string(why));
  };
  if (value->IsFunction() || value->IsSymbol()) return refuse(FindLoss(value));
  if (value->IsUndefined()) {
    invocation->result = "null";
  } else {
    Local<v8::String> json;
    if (!v8::JSON::Stringify(context, value).ToLocal(&json)) {
      if (caught.HasTerminated()) return;
      const Thrown thrown = ReadThrown(context, explain_.Get(isolate_), caught.Exception());
      if (thrown.terminated) return;
      caught.Reset();
      const std::string loss = FindLoss(value);
      return refuse(loss.empty() ? thrown.message : loss);
    }
    const size_t bytes = json->Utf8LengthV2(isolate_);
    if (bytes > kResultBytesMax) {
      Fail(invocation, Code::RESULT_TOO_LARGE,
           "the result is " + std::to_string(bytes) + " bytes long; at most " +
               std::to_string(kResultBytesMax) + " may be returned");
      return;
    }
    std::string result = Utf8Of(isolate_, json, bytes);
    if (result == "undefined") result = "null";  // a toJSON that returned nothing
    if (MayHaveLost(result)) {
      const std::string loss = FindLoss(value);
      if (!loss.empty() || isolate_->IsExecutionTerminating()) return refuse(loss);
    }
    invocation->result = std::move(result);
  }
  if (!output_schema_.empty() && !CheckSchema(invocation, "output", invocation->result))
    invocation->result.clear();
}

std::string GuestLoop::FindLoss(Local<Value> result) {
  const v8::TryCatch ignore(isolate_);
  Local<Value> loss;
  if (!find_loss_.Get(isolate_)
           ->Call(context_.Get(isolate_), v8::Undefined(isolate_), 1, &result)
           .ToLocal(&loss) ||
      !loss->IsString())
    return "";
  return Utf8Of(isolate_, loss.As<v8::String>(), kErrorTextBytesMax);
}

// The first holds, but for what the function threw itself: that waits for replies, and they may come to a
// limit.
void GuestLoop::Fail(GuestInvocation* invocation, Code code, std::string message) {
  invocation->settled = true;
  settled_.push_back(invocation->id);
  if (invocation->fatal != Code::kOk && !IsThrown(invocation->fatal)) return;
  invocation->stack.clear();
  invocation->result.clear();
  invocation->fatal = code;
  invocation->fatal_message = std::move(message);
}

void GuestLoop::SendOutcome(const GuestInvocation& invocation, Code code, std::string_view result,
                            std::string_view message, std::string_view stack, bool back) {
  has_run_ = true;
  OutcomeFrame outcome = {};
  outcome.header.code = static_cast<uint32_t>(code);
  outcome.header.usage = invocation.usage;
  outcome.header.retire = retire_ || !lost_.empty() ? 1 : 0;
  outcome.header.lost = code == Code::SANDBOX_DIED ? 1 : 0;
  outcome.header.back = back ? 1 : 0;
  outcome.header.log_lines_dropped = invocation.log_lines_dropped;
  outcome.result = result;
  outcome.message = message.substr(0, kErrorTextBytesMax);
  outcome.stack = stack.substr(0, kErrorTextBytesMax);
  to_supervisor_.Write(static_cast<uint16_t>(FromIsolate::kOutcome), invocation.id, WriteOutcome(outcome));
  Host::Get().Announce(lane_);
}

// The mark that it wrote stays until the supervisor has the outcome: it may have to decide about another run.
void GuestLoop::Finish(GuestInvocation* invocation, Code code, std::string_view result,
                       std::string_view message, std::string_view stack) {
  if (!invocation->lone_rejections.empty()) LogLoneRejections(invocation);
  const bool ended_by_itself = code == Code::kOk || IsThrown(code);
  // What it has filled its memory with is given back with the isolate.
  retire_ |= code == Code::MEMORY_LIMIT || (!ended_by_itself && LeavesPromises(*invocation));
  SendOutcome(*invocation, code, result, message, stack);
  Release(invocation);
}

bool GuestLoop::MayGoBack(const GuestInvocation& invocation) {
  return invocation.back_cpu_ns > 0 && !invocation.marked && invocation.fatal == Code::kOk;
}

// Of what an invocation that is ended has asked for no reply comes any more, and no timer of its fires: where
// the function has kept such a promise for later calls, those would wait for ever.
bool GuestLoop::LeavesPromises(const GuestInvocation& invocation) const {
  return !invocation.operations.empty() || !invocation.rounds.empty() ||
         std::ranges::any_of(timers_,
                             [&](const auto& timer) { return timer.second.invocation == invocation.id; });
}

// What it has said stays said: the run that follows says it again.
void GuestLoop::PushBack(GuestInvocation* invocation) {
  retire_ |= LeavesPromises(*invocation);
  SendOutcome(*invocation, Code::kOk, invocation->reads.ReadSet(Host::Get().read_cache()), "", "", /*back=*/true);
  Release(invocation);
}

void GuestLoop::Release(GuestInvocation* invocation) {
  Host::Get().active_invocations.fetch_sub(1, std::memory_order_relaxed);

  channel_->Forget(invocation->id);
  if (idle_reads_.size() < kIdleReadsMax) {
    invocation->reads.Clear();
    idle_reads_.push_back(std::move(invocation->reads));
  }
  if (found_reads_) {
    for (PendingRound& round : invocation->rounds) found_reads_->Drop(&round);
  }
  std::erase_if(timers_, [&](const auto& timer) { return timer.second.invocation == invocation->id; });
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
    if (IsThrown(invocation->fatal) && !invocation->rounds.empty()) return;
    Finish(invocation, invocation->fatal, invocation->result, invocation->fatal_message, invocation->stack);
    return;
  }
  if (!invocation->rounds.empty()) return;
  if (const UnheardFailure* failure = FindUnheardFailure(*invocation)) {
    Finish(invocation, failure->code, "", "a write was not awaited" + failure->message, "");
  } else {
    Finish(invocation, Code::kOk, invocation->result, "", "");
  }
}

// Whoever has a result relies on the writes of the call: one that may be missing is not kept quiet, unless
// the function has said by a handler that it may.
const UnheardFailure* GuestLoop::FindUnheardFailure(const GuestInvocation& invocation) {
  const v8::HandleScope scope(isolate_);
  const auto found = std::find_if(invocation.unheard.begin(), invocation.unheard.end(),
                                  [&](const auto& promise) { return !promise.Get(isolate_)->HasHandler(); });
  if (found == invocation.unheard.end()) return nullptr;
  const size_t place = static_cast<size_t>(found - invocation.unheard.begin());
  return &invocation.unheard_failures[std::min(place, invocation.unheard_failures.size() - 1)];
}

// Nobody hears of it unless a handler is added later, which a function may still do.
void GuestLoop::OnPromiseReject(v8::PromiseRejectMessage message) {
  GuestLoop* loop = Current();
  const bool in_turn = loop != nullptr && loop->current_ != nullptr && !loop->reading_rejections_;
  if (!in_turn && load_rejections_ == nullptr) return;
  std::vector<LoneRejection>& lone = in_turn ? loop->current_->lone_rejections : *load_rejections_;
  if (message.GetEvent() == v8::kPromiseRejectWithNoHandler) {
    if (lone.size() < kLoneRejectionsMax)
      lone.push_back({v8::Global<v8::Promise>(v8::Isolate::GetCurrent(), message.GetPromise()), ""});
  } else if (message.GetEvent() == v8::kPromiseHandlerAddedAfterReject) {
    std::erase_if(lone, [&](const LoneRejection& one) { return one.promise == message.GetPromise(); });
  }
}

// Inside the turn: what was thrown may run code of the guest when it is read.
void GuestLoop::ReadLoneRejections() {
  const v8::HandleScope scope(isolate_);
  const Local<v8::Context> context = context_.Get(isolate_);
  reading_rejections_ = true;
  for (LoneRejection& lone : current_->lone_rejections) {
    const Local<v8::Promise> promise = lone.promise.Get(isolate_);
    if (!lone.reason.empty() || promise->HasHandler() || isolate_->IsExecutionTerminating()) continue;
    const Thrown thrown = ReadThrown(context, explain_.Get(isolate_), promise->Result());
    if (thrown.terminated) break;
    lone.reason = thrown.stack.empty() ? thrown.message : MapStack(thrown.stack);
  }
  reading_rejections_ = false;
}

void GuestLoop::LogLoneRejections(GuestInvocation* invocation) {
  const v8::HandleScope scope(isolate_);
  for (const LoneRejection& lone : invocation->lone_rejections) {
    if (!lone.reason.empty() && !lone.promise.Get(isolate_)->HasHandler())
      Log(invocation, "error: a promise was rejected and nobody handled it: " + lone.reason);
  }
}

std::string GuestLoop::Progress(const GuestInvocation& invocation) {
  const UsageWire& usage = invocation.usage;
  const auto plural = [](uint64_t number) { return number == 1 ? "" : "s"; };
  char text[200];
  snprintf(text, sizeof text,
           "it computed for %.1f ms and waited for %.1f ms, with %" PRIu64 " operation%s in %" PRIu64
           " round%s",
           static_cast<double>(usage.cpu_ns) / 1e6, static_cast<double>(usage.wait_ns) / 1e6,
           usage.operations, plural(usage.operations), usage.rounds, plural(usage.rounds));
  return text;
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
  for (GuestInvocation* invocation : late) {
    invocation->usage.wait_ns += static_cast<uint64_t>(now - invocation->waiting_since_ns);
    Finish(invocation, Code::DEADLINE_EXCEEDED, "",
           "the function did not end before its deadline: " + Progress(*invocation), "");
  }
  return !late.empty();
}

uint32_t GuestLoop::SetTimer(int64_t delay_ms, Local<v8::Function> callback) {
  const int64_t due_ns = NowNs() + std::max<int64_t>(delay_ms, 0) * 1'000'000;
  timers_.emplace(std::pair(due_ns, ++next_timer_),
                  GuestTimer{current_->id, v8::Global<v8::Function>(isolate_, callback)});
  return next_timer_;
}

void GuestLoop::ClearTimer(uint32_t id) {
  std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
}

bool GuestLoop::FireTimers(int64_t now) {
  bool found = false;
  for (;;) {
    if (timers_.empty() || timers_.begin()->first.first > now || !lost_.empty()) return found;
    found = true;
    const auto due = timers_.extract(timers_.begin());
    const GuestTimer& timer = due.mapped();
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
  // The stack of an error that was caught is for its author as well.
  std::string mapped;
  if (line.size() <= kErrorTextBytesMax && line.find(kBundleName) != line.npos) {
    mapped = MapStack(line);
    line = mapped;
  }
  invocation->log_bytes += line.size() + 1;
  to_supervisor_.Write(static_cast<uint16_t>(FromIsolate::kLog), invocation->id,
                       line.substr(0, kLogBytesMax));
  Host::Get().Announce(lane_);
}

}  // namespace locus
