// What the module holds while Redis runs, in one place. Redis' callbacks carry no state of ours, so they find
// it here.
#pragma once

#include "attached_nodes.h"
#include "calls.h"
#include "core_times.h"
#include "function_stats.h"
#include "log_lines.h"
#include "plan_follower.h"
#include "registry.h"
#include "sample_windows.h"
#include "service_thread.h"
#include "settings.h"
#include "timers.h"
#include "traces.h"

namespace locus {

constexpr char kModuleName[] = "locus";
/// Of this release, as LOCUS.INFO tells it; the number is for Redis.
constexpr char kModuleVersion[] = "0.1.0";
constexpr int kModuleVersionNumber = 100;
/// Of the conversation with nodes: raised when a command's arguments or replies change their meaning.
constexpr int kProtocol = 2;

struct Module {
  Settings settings = Settings::Defaults();
  Registry registry;
  FunctionStats stats;
  LogLines log;
  ServiceThread service;
  CoreTimesReader core_times;
  Timers timers;
  SampleWindows samples{&timers};
  Traces traces;
  PlanFollower plan;
  AttachedNodes nodes{&timers};
  Calls calls{&service, &stats, &samples, &traces, &plan, &nodes};
};

/// Never destroyed: the service thread outlives `main`.
Module& TheModule();

/// Why functions cannot run here at all; no failure if they can.
Failure CheckEnabled();

/// Where `numkeys` stands in LOCUS.CALL and LOCUS.NODE RUN.
constexpr int kNumkeysOfCall = 2;
constexpr int kNumkeysOfRun = 4;

// The commands, one file each (command_*.cc).
int CommandCall(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandConfigGet(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandConfigSet(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionChanges(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionDelete(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionDump(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionIsolates(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionList(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionLoad(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandFunctionStats(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandInfo(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeAct(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeAttach(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeCancel(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeDetach(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeGive(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeRun(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeTry(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeSamples(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeTake(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandNodeWrites(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandPlanGet(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandPlanSet(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandTraceGet(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandTraceLen(RedisModuleCtx*, RedisModuleString** argv, int argc);
int CommandTraceReset(RedisModuleCtx*, RedisModuleString** argv, int argc);

/// The section `locus` in Redis' own INFO.
void WriteInfoSection(RedisModuleInfoCtx*, int for_crash_report);

/// Keeps the registry in the RDB (registry_persistence.cc). False when Redis refuses.
bool RegisterPersistence(RedisModuleCtx*);

}  // namespace locus
