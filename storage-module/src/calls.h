// Calls of functions by clients: from the command that asks, over the supervisor or a node, to the reply of
// the blocked client. LOCUS.CALL and LOCUS.NODE RUN differ in what they ask and how they are answered; this
// is the way between.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "attached_nodes.h"
#include "call_arguments.h"
#include "function_stats.h"
#include "operation_runner.h"
#include "plan_follower.h"
#include "redis_api.h"
#include "registry.h"
#include "sample_windows.h"
#include "service_thread.h"
#include "traces.h"

namespace locus {

/// One call: what it asks for, and where its outcome is kept until the main thread writes the reply.
struct PendingCall {
  Deployment deployment;
  CallArguments arguments;
  /// From now; the smaller of this and the function's own limit holds. 0: the function's own.
  int64_t deadline_ms = 0;
  /// As in RunOptions; of a call that came without a node the plan says it.
  int64_t back_cpu_us = 0;
  /// It would be pushed back after so long, but nothing is left of what that may waste; 0: it would not.
  int64_t let_stay_us = 0;
  bool logs = false;
  /// It came without a node, which would have chosen its side, and would account for it.
  bool direct = false;
  /// The plan has it run on a node; where none takes it, it runs here whatever the plan says.
  bool planned_elsewhere = false;
  /// It is of a function whose calls overflow …
  bool overflows = false;
  /// … and the plan has it here: where no node takes it that is no wonder.
  bool overflowed = false;
  /// The caller's own name for it, for `Cancel`; empty: none.
  std::string cancel_id;
  /// Writes the reply from the outcome, on the main thread.
  int (*reply)(RedisModuleCtx*, const PendingCall&) = nullptr;

  std::shared_ptr<Caller> caller;
  CallSizes sizes;
  int64_t admitted_ns = 0;
  int64_t deadline_ns = 0;
  Outcome outcome;
  RedisModuleBlockedClient* client = nullptr;
  /// The client has been unblocked with the outcome.
  std::atomic<bool> answered = false;
  uint64_t invocation = 0;  ///< in the supervisor; 0: not there, or not yet
  uint64_t handed = 0;      ///< to a node, under this id; 0: to none
  std::string known;        ///< the read set of a run that was pushed back
  bool gone = false;        ///< the client, or it waits no more
  bool wrote = false;       ///< the node that has it has asked to write
  std::string cancel_key;
  /// Where it is, and where it was before: three times at most, since it is pushed back once, and is handed
  /// over before that and after.
  Stay stay;
  std::vector<Stay> former;

  /// What its trace shows: it goes on elsewhere.
  void Leave(int64_t now_ns);
};

/// Main thread only.
class Calls {
 public:
  Calls(ServiceThread* service, FunctionStats* stats, SampleWindows* samples, Traces* traces,
        PlanFollower* plan, AttachedNodes* nodes)
      : service_(service), stats_(stats), samples_(samples), traces_(traces), plan_(plan), nodes_(nodes) {}

  /// Blocks the client and runs the call as its user, in its database: here, or on a node where the plan says
  /// so. Replies at once where it cannot.
  int Start(RedisModuleCtx* context, std::unique_ptr<PendingCall> call);
  /// Cancels the call that the same user started under this id. False when there is none.
  bool Cancel(RedisModuleCtx* context, std::string_view cancel_id);

  // Of calls that a node had been handed:

  void Answer(PendingCall* call, Outcome&& outcome);
  /// Runs it with what is left of its time.
  void RunHereOrAnswer(PendingCall* call);

 private:
  /// A direct call that is to run on a node; on the main thread.
  static void OnPushedBack(void* call);
  static int OnOutcome(RedisModuleCtx* context, RedisModuleString** argv, int argc);
  static int OnUnblocked(RedisModuleCtx* context, RedisModuleString** argv, int argc);
  static void OnDisconnect(RedisModuleCtx* context, RedisModuleBlockedClient* client);
  static void OnDone(RedisModuleCtx* context, void* call);
  SidesInFlight InFlight() const;
  /// False where no more calls can wait.
  bool RunHere(PendingCall* call);
  /// Nobody waits for it any more: no further operation of it runs.
  void Abandon(PendingCall* call);
  void Forget(const PendingCall& call);

  ServiceThread* const service_;
  FunctionStats* const stats_;
  SampleWindows* const samples_;
  Traces* const traces_;
  PlanFollower* const plan_;
  AttachedNodes* const nodes_;
  std::unordered_map<RedisModuleBlockedClient*, PendingCall*> by_client_;
  size_t overflowing_ = 0;  ///< of them, those that overflow
  /// User and id, which no two calls in flight share.
  std::unordered_map<std::string, PendingCall*> by_cancel_key_;
};

/// Why a command that blocks its client, or concerns its connection, cannot do so here (in a transaction, a
/// script, a module's call); empty if it can.
Failure CheckByItself(RedisModuleCtx* context, const char* command);

}  // namespace locus
