// Turns: guest code runs in nothing else. What a turn costs is measured here, one that is too long is ended
// here, and what it issued leaves as one round.
#include <algorithm>
#include <utility>

#include "bell.h"
#include "guest_loop.h"
#include "guest_thrown.h"
#include "guest_values.h"

namespace locus {

namespace {

using v8::Local;
using v8::Value;

/// How old a reading of the thread's processor time may be when a turn begins, and how long a turn may be that counts
/// by the clock on the wall: what other threads did meanwhile counts as its own. A reading takes 0.2 µs. Chosen: a
/// hundredth of so long a turn.
constexpr int64_t kCpuStaleNs = 20'000;
/// How far the termination of a turn is, in the low bits of its number.
constexpr uint64_t kTerminating = 1;
constexpr uint64_t kTerminated = 2;
/// What is kept of what is used again: of the commands that an invocation collects, and of rounds.
constexpr size_t kKeepCommandsBytes = 256 * 1024;
constexpr size_t kKeepOperations = 4096;
constexpr size_t kIdleRoundsMax = 64;
constexpr const char* kMemoryLimitText = "the function needed more memory than it may have";

/// `error` at the place in the function that awaits it: thrown in a microtask that its promise follows from.
void ThrowAwaited(const v8::FunctionCallbackInfo<Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  if (v8::Exception::CaptureStackTrace(isolate->GetCurrentContext(), info.Data().As<v8::Object>()).IsJust())
    isolate->ThrowException(info.Data());
}

void GiveValue(const v8::FunctionCallbackInfo<Value>& info) {
  info.GetReturnValue().Set(info.Data());
}

}  // namespace

void GuestLoop::BeginTurn(GuestInvocation* invocation) {
  current_ = invocation;
  turn_started_ns_ = NowNs();
  invocation->usage.wait_ns += static_cast<uint64_t>(turn_started_ns_ - invocation->waiting_since_ns);
  if (turn_started_ns_ - cpu_read_ns_ > kCpuStaleNs) {
    cpu_at_ns_ = ThreadCpuNs();
    cpu_read_ns_ = turn_started_ns_;
  }
  turn_deadline_ns_.store(invocation->deadline_ns, std::memory_order_relaxed);
  turn_goes_back_ = MayGoBack(*invocation);
  LimitTurn(*invocation);
  turn_cpu_from_ns_.store(cpu_at_ns_ - static_cast<int64_t>(invocation->usage.cpu_ns),
                          std::memory_order_relaxed);
  rings_.words->computed_ns.store(invocation->usage.cpu_ns, std::memory_order_relaxed);
  rings_.words->waited_ns.store(invocation->usage.wait_ns, std::memory_order_relaxed);
  rings_.words->turn_invocation.store(invocation->id, std::memory_order_relaxed);
  rings_.words->turn_started_ns.store(turn_started_ns_, std::memory_order_relaxed);
  turn_.store(++turns_ * 4, std::memory_order_release);
}

void GuestLoop::LimitTurn(const GuestInvocation& invocation) {
  const int64_t limit = MayGoBack(invocation) ? std::min(invocation.back_cpu_ns, invocation.cpu_limit_ns)
                                              : invocation.cpu_limit_ns;
  turn_cpu_until_ns_.store(cpu_at_ns_ + limit - static_cast<int64_t>(invocation.usage.cpu_ns),
                           std::memory_order_relaxed);
}

// A turn that was to end when its invocation may go back, and is about to send a write: from here on it is
// another one for the watchdog, which sees no other limit than its own. False when that has begun to end it.
bool GuestLoop::ForgoBack(GuestInvocation* invocation) {
  const int64_t back_cpu_ns = std::exchange(invocation->back_cpu_ns, 0);
  LimitTurn(*invocation);
  uint64_t running = turns_ * 4;
  if (turn_.compare_exchange_strong(running, (turns_ + 1) * 4)) {
    turns_++;
    turn_goes_back_ = false;
    return true;
  }
  invocation->back_cpu_ns = back_cpu_ns;
  return false;
}

// Whether the watchdog ended it: what it sets out to terminate is this turn and no other.
bool GuestLoop::CloseTurn() {
  const uint64_t turn = turns_ * 4;
  uint64_t seen = turn;
  if (turn_.compare_exchange_strong(seen, 0)) return false;
  for (seen = turn | kTerminated; !turn_.compare_exchange_weak(seen, 0); seen = turn | kTerminated) Relax();
  isolate_->CancelTerminateExecution();
  return true;
}

void GuestLoop::EndTurn() {
  isolate_->PerformMicrotaskCheckpoint();
  if (!current_->lone_rejections.empty()) ReadLoneRejections();
  const bool terminated = CloseTurn();
  if (memory_exceeded_ || (!terminated && isolate_->IsExecutionTerminating())) lost_ = "its memory ran out";
  const int64_t now = NowNs();
  rings_.words->turn_started_ns.store(0, std::memory_order_relaxed);
  GuestInvocation* invocation = current_;
  current_ = nullptr;
  turn_ended_ns_ = now;
  memory_stale_ = true;
  if (now >= measure_after_ns_) MeasureMemory();
  CountTurn(invocation, now);
  invocation->waiting_since_ns = now;
  if (!lost_.empty()) {
    Finish(invocation, Code::MEMORY_LIMIT, "", kMemoryLimitText, "");
    return;
  }
  const uint64_t id = invocation->id;
  const auto computed_ns = static_cast<int64_t>(invocation->usage.cpu_ns);
  const bool may_compute = computed_ns < invocation->cpu_limit_ns;
  bool back = false;
  if (terminated) {
    // What else the isolate has in flight may finish; new invocations get a fresh one.
    retire_ = true;
    if (now >= invocation->deadline_ns) {
      Fail(invocation, Code::DEADLINE_EXCEEDED,
           "the function did not end before its deadline: " + Progress(*invocation));
    } else if (rings_.words->cancelled.load() == invocation->id) {
      Fail(invocation, Code::CANCELLED, "the invocation was cancelled");
    } else if (turn_goes_back_ && may_compute) {
      // One that has failed meanwhile was not at its own limit.
      back = MayGoBack(*invocation);
    } else {
      FailAtCpuLimit(invocation);
    }
  } else if (!invocation->settled && !may_compute) {
    // Of many short turns the watchdog may have seen none.
    FailAtCpuLimit(invocation);
  } else if (!invocation->settled) {
    back = MayGoBack(*invocation) && computed_ns >= invocation->back_cpu_ns;
  }
  if (back) {
    PushBack(invocation);
  } else {
    SendRound(invocation);
  }
  if (collecting_others_) SendRoundsOfOthers();
  FinishSettled(id);
}

void GuestLoop::FailAtCpuLimit(GuestInvocation* invocation) {
  Fail(invocation, Code::CPU_LIMIT,
       "the function computed for more than " + std::to_string(invocation->cpu_limit_ns / 1'000'000) + " ms");
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

// What the turn took is its invocation's.
void GuestLoop::CountTurn(GuestInvocation* invocation, int64_t now) {
  const int64_t cpu_ns = TurnCpuNs(now);
  invocation->usage.cpu_ns += static_cast<uint64_t>(cpu_ns);
  invocation->usage.slowed_ns += pace_.SlowedNs(cpu_ns, now);
  rings_.words->computed_ns.store(invocation->usage.cpu_ns, std::memory_order_relaxed);
}

// On the watchdog's thread, which says in passing how far the invocation is.
bool GuestLoop::IsTurnOver(int64_t now_ns) {
  const bool is_late = turn_deadline_ns_.load(std::memory_order_relaxed) <= now_ns;
  LaneWords* words = rings_.words;
  if (words == nullptr) return is_late;  // a bundle is loaded
  timespec used = {};
  if (clock_gettime(cpu_clock_, &used) != 0) return is_late;
  const int64_t used_ns = int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
  const int64_t computed_ns = used_ns - turn_cpu_from_ns_.load(std::memory_order_relaxed);
  words->computed_ns.store(static_cast<uint64_t>(std::max<int64_t>(computed_ns, 0)),
                           std::memory_order_relaxed);
  return is_late ||
         words->cancelled.load(std::memory_order_relaxed) ==
             words->turn_invocation.load(std::memory_order_relaxed) ||
         used_ns >= turn_cpu_until_ns_.load(std::memory_order_relaxed);
}

// Again where it goes on: what we call in a turn, one after the other, V8 ends one by one.
void GuestLoop::TerminateLateTurn(int64_t now_ns) {
  uint64_t running = turn_.load(std::memory_order_acquire);
  if (running == 0 || ((running & 3) == 0 && !IsTurnOver(now_ns))) return;
  const uint64_t turn = running & ~uint64_t{3};
  if (!turn_.compare_exchange_strong(running, turn | kTerminating)) return;
  isolate_->TerminateExecution();
  turn_.store(turn | kTerminated);
}

void GuestLoop::SendRound(GuestInvocation* invocation) {
  if (invocation->operations.empty()) return;
  // Only in the midst of a turn is it the current one.
  if (invocation->writes && invocation == current_ && MayGoBack(*invocation) && !ForgoBack(invocation))
    return;
  Round round;
  round.invocation = invocation->id;
  round.number = invocation->next_round++;
  round.operations = static_cast<uint32_t>(invocation->operations.size());
  round.writes = invocation->writes;
  const bool findable = invocation->gets_alone && invocation->rounds.empty();
  invocation->usage.rounds++;
  invocation->usage.operations += round.operations;
  if (findable) {
    invocation->usage.findable_operations += round.operations;
    invocation->usage.findable_rounds++;
  }
  invocation->usage.bytes_out += invocation->commands.size();
  const bool held = invocation->asks_to_write && (invocation->writes || !invocation->held.empty());
  if (invocation->writes && !held) MarkWritten(invocation);
  // Rounds and their vectors are used again: a chain of reads makes one after the other.
  if (idle_rounds_.empty()) idle_rounds_.emplace_back();
  PendingRound& pending = idle_rounds_.front();
  pending.number = round.number;
  pending.answered = 0;
  pending.bytes = invocation->commands.size();
  pending.settles_later = false;
  invocation->unanswered_bytes += pending.bytes;
  pending.operations.clear();
  pending.operations.swap(invocation->operations);
  pending.written_keys.clear();
  pending.written_keys.swap(invocation->written_keys);
  pending.commands.swap(invocation->commands);
  round.commands = pending.commands;
  if (round.commands.size() > kKeptRoundBytesMax) invocation->reads.Fill();
  pending.kept = MayGoBack(*invocation) && !invocation->reads.full();
  invocation->rounds.splice(invocation->rounds.end(), idle_rounds_, idle_rounds_.begin());
  if (findable && invocation->reader != 0 && found_reads_) {
    const FoundReads::LookedUp looked_up =
        found_reads_->LookUp(invocation->reader, pending.commands, &pending);
    round.operations -= looked_up.found;
    round.commands = looked_up.missing;
    NoteFound(invocation, looked_up, round.operations == 0);
  }
  if (held) {
    Hold(invocation, round);
  } else if (round.operations > 0) {
    channel_->Send(round);
  } else {
    found_rounds_.emplace_back(round.invocation, round.number);
  }
  if (!pending.kept) {
    pending.commands.swap(invocation->commands);
    invocation->commands.clear();
    if (invocation->commands.capacity() > kKeepCommandsBytes) invocation->commands.shrink_to_fit();
  }
  invocation->writes = false;
  invocation->gets_alone = true;
}

void GuestLoop::NoteFound(GuestInvocation* invocation, const FoundReads::LookedUp& looked_up, bool whole) {
  if (looked_up.found == 0) return;
  invocation->usage.found_operations += looked_up.found;
  if (whole) invocation->usage.found_rounds++;
  HostHeader* header = Host::Get().header();
  header->cached_operations.fetch_add(looked_up.found, std::memory_order_relaxed);
  header->known_operations.fetch_add(looked_up.known, std::memory_order_relaxed);
}

// From here on it is not pushed back, nor run again unseen after a death.
void GuestLoop::MarkWritten(GuestInvocation* invocation) {
  if (invocation->marked) return;
  invocation->marked = true;
  invocation->reads.Clear();
  rings_.words->wrote[invocation->slot].store(invocation->id, std::memory_order_seq_cst);
}

// What is held counts among what is sent and not answered, and so has its bound.
void GuestLoop::Hold(GuestInvocation* invocation, const Round& round) {
  if (invocation->held.empty()) {
    to_supervisor_.Write(static_cast<uint16_t>(FromIsolate::kAsksToWrite), invocation->id, {});
    Host::Get().Announce(lane_);
  }
  invocation->held.push_back({round.number, round.operations, round.writes, std::string(round.commands)});
}

void GuestLoop::AllowWrites(GuestInvocation* invocation) {
  invocation->asks_to_write = false;
  MarkWritten(invocation);
  for (const HeldRound& held : std::exchange(invocation->held, {}))
    channel_->Send({invocation->id, held.number, held.operations, held.writes, held.commands});
}

void GuestLoop::RetireRound(GuestInvocation* invocation, std::list<PendingRound>::iterator round) {
  invocation->unanswered_bytes -= round->bytes;
  if (found_reads_) found_reads_->Drop(&*round);
  // What failed, wholly or in part, is read again.
  if (round->kept && !round->settles_later && MayGoBack(*invocation)) invocation->reads.Add(*round);
  round->operations.clear();
  for (std::string* text : {&round->commands, &round->replies, &round->written_keys, &round->found_replies})
    Empty(text);
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
  if (!lost_.empty()) return;  // all that is in flight is ended by that
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
  if (round->replies.size() + replies.bytes.size() > kKeptRoundBytesMax) invocation->reads.Fill();
  round->kept = round->kept && !invocation->reads.full();
  std::string_view bytes = replies.bytes;
  {
    const v8::TryCatch caught(isolate_);
    uint32_t left = replies.count;
    // A promise that is resolved with an object looks for its `then`, which may be a getter of the guest's:
    // once one was ended, none follows.
    for (; round->answered < round->operations.size() && !IsTurnEnding(); round->answered++) {
      PendingOperation& operation = round->operations[round->answered];
      const bool has_come = operation.found.bytes > 0;
      if (!has_come && replies.failure == Code::kOk && left-- == 0) break;
      const v8::HandleScope operation_scope(isolate_);
      const Local<v8::Promise::Resolver> resolver = operation.resolver.Get(isolate_);
      operation.resolver.Reset();
      const Local<v8::Promise> promise = resolver->GetPromise();
      const bool unheard = !IsRead(*operation.rule) && !promise->HasHandler();
      DecodedReply reply;
      if (!has_come && replies.failure != Code::kOk) {
        reply.value = MakeError(isolate_, replies.failure, replies.message);
        reply.is_error = true;
        if (unheard) NoteUnheard(invocation, *round, promise, replies.failure, replies.message);
      } else if (!(has_come ? TakeFound(invocation, &*round, &reply)
                            : TakeReply(&*round, &bytes, &reply))) {
        if (reply.no_room) {
          Fail(invocation, Code::MEMORY_LIMIT, kMemoryLimitText);
        } else {
          Fail(invocation, Code::INTERNAL, "a reply of Redis could not be read");
        }
        break;
      } else if (reply.is_error && unheard) {
        const Thrown refusal = ReadThrown(context, explain_.Get(isolate_), reply.value);
        NoteUnheard(invocation, *round, promise, refusal.code, refusal.message);
      }
      round->settles_later |= reply.is_error;
      if (round->settles_later) {
        SettleLater(resolver, reply.value, reply.is_error);
      } else {
        resolver->Resolve(context, reply.value).FromMaybe(false);
      }
    }
  }
  // The function goes on when the whole round is there, so that what follows from it shares the next one.
  // Once it is over there is no next one: what follows from the replies before would go on in a turn of
  // another.
  const bool whole = round->answered == round->operations.size();
  if (whole) RetireRound(invocation, round);
  if (whole || invocation->fatal != Code::kOk) {
    EndTurn();
  } else {
    PauseTurn();
  }
}

// The next of its operations, by what has come.
bool GuestLoop::TakeReply(PendingRound* round, std::string_view* bytes, DecodedReply* reply) {
  const PendingOperation& operation = round->operations[round->answered];
  const std::string_view before = *bytes;
  const bool read =
      DecodeReply(isolate_, context_.Get(isolate_), bytes, operation.shape, operation.binary, reply);
  if (round->kept) round->replies.append(before.substr(0, before.size() - bytes->size()));
  return read;
}

// The same by what was found.
bool GuestLoop::TakeFound(GuestInvocation* invocation, PendingRound* round, DecodedReply* reply) {
  PendingOperation& operation = round->operations[round->answered];
  invocation->usage.bytes_in += operation.found.bytes;
  if (!operation.found_value.IsEmpty()) {
    reply->value = operation.found_value.Get(isolate_);
    return true;
  }
  const std::string_view bytes =
      std::string_view(round->found_replies).substr(round->found_taken, operation.found.bytes);
  round->found_taken += bytes.size();
  std::string_view rest = bytes;
  if (!DecodeReply(isolate_, context_.Get(isolate_), &rest, operation.shape, operation.binary, reply))
    return false;
  if (!reply->is_error) found_reads_->Know(operation, bytes, reply->value);
  return true;
}

// Rounds that were found whole. What follows from them may be found as well: that waits for the next time, when
// all else has had its turn. True when there were some.
bool GuestLoop::HandOverFound() {
  if (found_rounds_.empty()) return false;
  std::vector<std::pair<uint64_t, uint32_t>> rounds;
  rounds.swap(found_rounds_);
  for (const auto& [invocation, number] : rounds) OnReplies({invocation, number, 0, {}, Code::kOk, {}});
  rounds.clear();
  if (found_rounds_.empty()) found_rounds_.swap(rounds);
  return true;
}

// An error that is made out here has no stack. Made in a microtask from which the function's promise follows,
// it has that of the await: V8 finds it on the way back. So the price is paid by errors only; what the round
// answers after one takes the same way, to settle in the order of the operations.
void GuestLoop::SettleLater(Local<v8::Promise::Resolver> resolver, Local<Value> value, bool is_error) {
  const Local<v8::Context> context = context_.Get(isolate_);
  Local<v8::Promise::Resolver> soon;
  Local<v8::Function> settle;
  Local<v8::Promise> settled;
  if (!v8::Promise::Resolver::New(context).ToLocal(&soon) ||
      !v8::Function::New(context, is_error ? ThrowAwaited : GiveValue, value, 0,
                         v8::ConstructorBehavior::kThrow)
           .ToLocal(&settle) ||
      !soon->GetPromise()->Then(context, settle).ToLocal(&settled))
    return;
  // It has to follow from `settled` before that settles.
  resolver->Resolve(context, settled).FromMaybe(false);
  soon->Resolve(context, v8::Undefined(isolate_)).FromMaybe(false);
}

// A function may still come to await a write that it has not awaited yet; whether it did is looked at when
// the invocation ends.
void GuestLoop::NoteUnheard(GuestInvocation* invocation, const PendingRound& round,
                            Local<v8::Promise> promise, Code code, std::string_view message) {
  invocation->unheard.emplace_back(isolate_, promise);
  const bool is_last_told = invocation->unheard.size() == kUnheardFailuresMax;
  if (invocation->unheard.size() > kUnheardFailuresMax) return;
  const PendingOperation& operation = round.operations[round.answered];
  const size_t begin = round.answered == 0 ? 0 : round.operations[round.answered - 1].key_end;
  // As text: a key may be any bytes, and may have been cut inside a character.
  const std::string key = round.written_keys.substr(begin, operation.key_end - begin);
  std::string told = " (" + DisplayName(operation.rule->name);
  std::replace(told.begin(), told.end(), '|', ' ');
  if (!key.empty()) told += " of " + Utf8Of(isolate_, Text(isolate_, key), 3 * key.size());
  if (is_last_told) told += ", or one after it";
  told.append("), and ").append(message);
  invocation->unheard_failures.push_back({code, std::move(told)});
}

// Replies were taken in, and what follows from them waits for the rest of the round. Of the guest nothing has
// run but getters.
void GuestLoop::PauseTurn() {
  uint64_t running = turns_ * 4;
  if (memory_exceeded_ || !turn_.compare_exchange_strong(running, 0)) {
    EndTurn();
    return;
  }
  const int64_t now = NowNs();
  rings_.words->turn_started_ns.store(0, std::memory_order_relaxed);
  CountTurn(current_, now);
  current_->waiting_since_ns = now;
  turn_ended_ns_ = now;
  FinishSettled(std::exchange(current_, nullptr)->id);
}

}  // namespace locus
