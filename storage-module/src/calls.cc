#include "calls.h"

#include <time.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "module.h"
#include "woken_client.h"

namespace locus {

namespace {

/// A user's name may hold any byte but a blank.
std::string CancelKey(const RedisModuleString* user, std::string_view id) {
  return std::string(TextOf(user)) + " " + std::string(id);
}

Failure QueueIsFull(const PendingCall& call) {
  return {Code::OVERLOADED, "the queue of waiting invocations is full: " + call.deployment.image->name +
                                " was not called; try again later"};
}

CallSizes SizesOf(const CallArguments& arguments) {
  CallSizes sizes = {arguments.keys.size(), 0, arguments.args.size()};
  for (const std::string& key : arguments.keys) sizes.key_bytes += key.size();
  return sizes;
}

/// Of one that runs here: it does so although the plan has it on a node, and not because it overflows.
bool IsFixed(const PendingCall& call) { return call.planned_elsewhere && !call.overflowed; }

double CpuUs(const Outcome& outcome) { return static_cast<double>(outcome.usage.isolate.cpu_ns) / 1e3; }

/// By its time, as in SLOWLOG; and whatever its time where it failed, or did not stay where it began. One who
/// makes the same mistake again and again is told each time, and drives out no trace of anybody else's.
bool IsTraced(const PendingCall& call, int64_t elapsed_ns) {
  const int64_t slower_than_us = TheModule().settings.trace_slower_than_us;
  if (slower_than_us < 0) return false;
  const Code code = call.outcome.code;
  const bool failed = code != Code::kOk && code != Code::CALL_REFUSED && !IsRefused(code);
  return elapsed_ns >= slower_than_us * 1'000 || failed || !call.former.empty();
}

/// `call` has ended, and is for nothing else any more.
Trace TraceOf(PendingCall& call, int64_t now_ns) {
  Trace trace;
  trace.admitted_ns = call.admitted_ns;
  trace.elapsed_ns = now_ns - call.admitted_ns;
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  trace.time_s = wall.tv_sec - trace.elapsed_ns / (1'000 * kMs);
  trace.function = call.deployment.image->name;
  trace.version = call.deployment.image->version;
  trace.user = OneLine(TextOf(call.caller->user()), kTracedUserBytesMax);
  trace.sizes = call.sizes;
  trace.code = call.outcome.code;
  trace.result_bytes = call.outcome.result.size();
  call.stay.usage = call.outcome.usage;
  call.Leave(now_ns);
  trace.stays = std::move(call.former);
  return trace;
}

}  // namespace

void PendingCall::Leave(int64_t now_ns) {
  stay.until_ns = now_ns;
  former.push_back(stay);
  stay = {};
  stay.from_ns = now_ns;
}

Failure CheckByItself(RedisModuleCtx* context, const char* command) {
  const int flags = redis::GetContextFlags(context);
  const char* where = nullptr;
  if ((flags & redis::kInTransaction) != 0) {
    where = "in a transaction";
  } else if ((flags & redis::kInScript) != 0) {
    where = "in a script or Redis function";
  } else if ((flags & redis::kDeniesBlocking) != 0) {
    where = "by a module";
  }
  if (where == nullptr) return {};
  return {Code::STORAGE_REFUSED, std::string(command) + " cannot be called " + where + ": call it by itself"};
}

int Calls::Start(RedisModuleCtx* context, std::unique_ptr<PendingCall> owned) {
  PendingCall* call = owned.get();
  const FunctionImage& image = *call->deployment.image;
  RedisModuleString* const user = redis::GetCurrentUserName(context);
  const int db = redis::GetSelectedDb(context);
  call->caller = std::make_shared<Caller>(user, db, service_->ReaderOf(context, user, db));
  if (!call->cancel_id.empty()) {
    call->cancel_key = CancelKey(call->caller->user(), call->cancel_id);
    if (!by_cancel_key_.emplace(call->cancel_key, call).second)
      return ReplyFailure(context, {Code::REQUEST_INVALID, "a call with the id " + Shown(call->cancel_id) +
                                                               " is in flight: ids must differ"});
  }
  int64_t deadline_ms = image.limits.deadline_ms;
  if (call->deadline_ms > 0) deadline_ms = std::min(deadline_ms, call->deadline_ms);
  call->admitted_ns = NowNs();
  call->deadline_ns = call->admitted_ns + deadline_ms * kMs;
  call->stay.from_ns = call->admitted_ns;
  call->sizes = SizesOf(call->arguments);

  const PlannedSide planned = call->direct ? plan_->SideFor(image.name, InFlight()) : PlannedSide();
  call->planned_elsewhere = planned.side == Side::kCompute;
  call->overflows = planned.overflows;
  call->overflowed = planned.overflowed;

  call->client = redis::BlockClient(context, OnOutcome, OnUnblocked, OnDone, 0);
  redis::SetDisconnectCallback(call->client, OnDisconnect);
  by_client_.emplace(call->client, call);
  overflowing_ += call->overflows ? 1 : 0;
  stats_->Admit(image);

  if (call->direct && nodes_->MayHand(*call))
    (planned.spent ? call->let_stay_us : call->back_cpu_us) = planned.back_cpu_us;
  if ((call->planned_elsewhere && nodes_->Hand(call)) || RunHere(call)) {
    owned.release();  // OnDone's
    return redis::kOk;
  }
  Outcome refused;
  refused.code = Code::OVERLOADED;
  stats_->End(image, refused);
  Forget(*call);
  redis::AbortBlock(call->client);
  return ReplyFailure(context, QueueIsFull(*call));
}

// The plan's numbers are those of one node, which counts its own calls.
SidesInFlight Calls::InFlight() const {
  const double nodes = static_cast<double>(std::max<size_t>(1, nodes_->count()));
  const auto of_one = [&](size_t calls) { return static_cast<double>(calls) / nodes; };
  const size_t out = nodes_->out();
  const size_t overflowing = nodes_->overflowing();
  return {{of_one(out), of_one(overflowing)},
          {of_one(by_client_.size() - out), of_one(overflowing_ - overflowing)}};
}

bool Calls::RunHere(PendingCall* call) {
  Call submitted;
  submitted.image = call->deployment.image;
  if (call->direct && call->back_cpu_us > 0) {
    submitted.keys = call->arguments.keys;
    submitted.args = call->arguments.args;
  } else {
    submitted.keys = std::move(call->arguments.keys);
    submitted.args = std::move(call->arguments.args);
  }
  submitted.deadline_ns = call->deadline_ns;
  submitted.back_cpu_ns = call->back_cpu_us * 1'000;
  submitted.known = std::move(call->known);
  submitted.reader = call->caller->reader();
  submitted.logs = call->logs;
  submitted.principal = call->caller;
  submitted.done = [this, call](Outcome&& outcome) {
    if (!call->direct || !outcome.back) return Answer(call, std::move(outcome));
    call->outcome = std::move(outcome);
    redis::EventLoopAddOneShot(OnPushedBack, call);
  };
  call->invocation = service_->Submit(std::move(submitted));
  if (call->direct && call->invocation != 0) samples_->Came();
  return call->invocation != 0;
}

void Calls::RunHereOrAnswer(PendingCall* call) {
  Failure failure = CheckEnabled();
  if (!failure && RunHere(call)) return;
  if (!failure) failure = QueueIsFull(*call);
  Outcome outcome;
  outcome.code = failure.code;
  outcome.message = std::move(failure.message);
  Answer(call, std::move(outcome));
}

/// Also on the service thread.
void Calls::Answer(PendingCall* call, Outcome&& outcome) {
  call->outcome = std::move(outcome);
  stats_->End(*call->deployment.image, call->outcome);
  call->answered.store(true);
  redis::UnblockClient(call->client, call);
}

void Calls::OnPushedBack(void* data) {
  auto* const call = static_cast<PendingCall*>(data);
  Calls& calls = TheModule().calls;
  const int64_t now = NowNs();
  calls.stats_->PushedBack(*call->deployment.image, call->outcome.usage);
  calls.plan_->PushedBack(call->deployment.image->name, CpuUs(call->outcome));
  calls.samples_->Ran(*call->deployment.image, call->outcome, now - call->admitted_ns, false);
  call->stay.usage = call->outcome.usage;
  call->stay.pushed_back = true;
  call->Leave(now);
  call->invocation = 0;
  call->known = std::move(call->outcome.result);
  call->outcome = {};
  // Once is enough: where no node has room any more, it runs here to its end.
  call->back_cpu_us = 0;
  if (call->gone) {
    Outcome outcome;
    outcome.code = Code::CANCELLED;
    outcome.message = "the caller of " + call->deployment.image->name + " is gone";
    return calls.Answer(call, std::move(outcome));
  }
  if (!calls.nodes_->Hand(call)) calls.RunHereOrAnswer(call);
}

bool Calls::Cancel(RedisModuleCtx* context, std::string_view cancel_id) {
  RedisModuleString* user = redis::GetCurrentUserName(context);
  const auto found = by_cancel_key_.find(CancelKey(user, cancel_id));
  redis::FreeString(context, user);
  return found != by_cancel_key_.end() && service_->Cancel(found->second->invocation);
}

void Calls::Forget(const PendingCall& call) {
  by_client_.erase(call.client);
  overflowing_ -= call.overflows ? 1 : 0;
  if (!call.cancel_key.empty()) by_cancel_key_.erase(call.cancel_key);
}

int Calls::OnOutcome(RedisModuleCtx* context, RedisModuleString**, int) {
  const auto& call = *static_cast<const PendingCall*>(redis::GetBlockedClientPrivateData(context));
  return call.reply(context, call);
}

// Its handle lives until the outcome has come.
void Calls::Abandon(PendingCall* call) {
  call->gone = true;
  if (call->handed != 0) {
    nodes_->Cancel(call);
  } else {
    service_->Cancel(call->invocation);
  }
}

// CLIENT UNBLOCK with TIMEOUT, its default. Of a time that ran out Redis knows nothing here.
int Calls::OnUnblocked(RedisModuleCtx* context, RedisModuleString**, int) {
  Calls& calls = TheModule().calls;
  PendingCall* const call = calls.by_client_.at(redis::GetBlockedClientHandle(context));
  calls.Abandon(call);
  return ReplyFailure(context, {Code::CANCELLED, "the call of " + call->deployment.image->name +
                                                     " was cancelled: CLIENT UNBLOCK woke its client"});
}

// The client closes, or has been told by Redis why it is woken: CLIENT UNBLOCK with ERROR, a change of role.
void Calls::OnDisconnect(RedisModuleCtx* context, RedisModuleBlockedClient* client) {
  Calls& calls = TheModule().calls;
  const auto found = calls.by_client_.find(client);
  if (found == calls.by_client_.end()) return;
  if (found->second->answered.load()) return CloseIfWoken(context);
  calls.Abandon(found->second);
}

// Also for a client that is gone. The time until here has the way over the main thread in it, which a busy
// Redis makes long.
void Calls::OnDone(RedisModuleCtx*, void* data) {
  const std::unique_ptr<PendingCall> call(static_cast<PendingCall*>(data));
  Calls& calls = TheModule().calls;
  calls.Forget(*call);
  if (!call->direct) return;
  const int64_t now = NowNs();
  const int64_t elapsed_ns = now - call->admitted_ns;
  const double cpu_us = CpuUs(call->outcome);
  calls.plan_->Ended(call->deployment.image->name, cpu_us);
  if (call->invocation != 0 && call->let_stay_us > 0 && cpu_us >= static_cast<double>(call->let_stay_us))
    calls.stats_->LetStay(*call->deployment.image);
  if (call->invocation != 0)
    calls.samples_->Ran(*call->deployment.image, call->outcome, elapsed_ns, IsFixed(*call));
  if (IsTraced(*call, elapsed_ns)) calls.traces_->Keep(TraceOf(*call, now));
}

}  // namespace locus
