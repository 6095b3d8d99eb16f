// LOCUS.NODE: what compute nodes ask of the storage side. RUN is LOCUS.CALL with a version, options, and all
// that the sandbox measured in the reply; TRY the same with a function that is not deployed; CANCEL ends
// either from another connection.
#include <memory>

#include "function_description.h"
#include "json_text.h"
#include "module.h"
#include "run_options.h"

namespace locus {

namespace {

std::string ErrorJson(const Outcome& outcome) {
  std::string json = "{";
  AppendJsonName(&json, "code");
  AppendJsonString(&json, CodeName(outcome.code));
  AppendJsonName(&json, "message");
  AppendJsonString(&json, outcome.message);
  AppendJsonName(&json, "stack");
  AppendJsonString(&json, outcome.stack);
  if (outcome.code == Code::CALL_REFUSED) {
    AppendJsonName(&json, "refusal");
    AppendJsonString(&json, outcome.result);
  }
  json.push_back('}');
  return json;
}

int ReplyOutcome(RedisModuleCtx* context, const PendingCall& call) {
  const Outcome& outcome = call.outcome;
  const bool ok = outcome.code == Code::kOk;
  redis::ReplyWithArray(context, 5);
  ReplyText(context, outcome.back ? "back" : ok ? "ok" : "error");
  ReplyText(context, call.deployment.image->version);
  ReplyText(context, UsageJson(outcome.usage));
  ReplyText(context, JsonStrings(outcome.logs));
  if (outcome.back) return ReplyText(context, Base64(outcome.result));
  return ReplyText(context, ok ? outcome.result : ErrorJson(outcome));
}

/// `*`: the current version.
Failure FindVersion(std::string_view name, std::string_view version, Deployment* deployment) {
  const Registry& registry = TheModule().registry;
  const Deployment* current = registry.Find(name);
  if (current == nullptr) return FunctionNotFound(name);
  const Deployment* found = version == "*" ? current : registry.Find(name, version);
  if (found == nullptr)
    return {Code::VERSION_NOT_FOUND, "the function " + std::string(name) + " is here, but not in version " +
                                         Shown(version) + "; its current one is " + current->image->version};
  *deployment = *found;
  return {};
}

/// `rest`: from `numkeys` on.
int Run(RedisModuleCtx* context, const char* command, std::unique_ptr<PendingCall> call, Arguments rest) {
  call->reply = ReplyOutcome;
  if (const Failure failure = TakeKeys(&rest, &call->arguments)) return ReplyFailure(context, failure);
  if (rest.size() != 2)
    return ReplyFailure(context, {Code::REQUEST_INVALID, "after its keys " + std::string(command) +
                                                             " takes options and args, not " +
                                                             std::to_string(rest.size()) + " arguments"});
  RunOptions options;
  if (const Failure failure = ReadRunOptions(command, TextOf(rest[0]), &options))
    return ReplyFailure(context, failure);
  call->deadline_ms = options.deadline_ms;
  call->back_cpu_us = options.back_cpu_us;
  call->logs = options.logs;
  call->cancel_id = std::move(options.cancel_id);
  if (const Failure failure = ReadArgs(rest.subspan(1), &call->arguments))
    return ReplyFailure(context, failure);
  return TheModule().calls.Start(context, std::move(call));
}

Failure CheckMayRun(RedisModuleCtx* context, const char* command) {
  if (Failure failure = CheckByItself(context, command)) return failure;
  return CheckEnabled();
}

}  // namespace

int CommandNodeRun(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (AnsweredKeyPositions(context, argv, argc, kNumkeysOfRun)) return redis::kOk;
  if (argc < 7) return redis::WrongArity(context);
  constexpr char kCommand[] = "LOCUS.NODE RUN";
  if (const Failure failure = CheckMayRun(context, kCommand)) return ReplyFailure(context, failure);
  auto call = std::make_unique<PendingCall>();
  if (const Failure failure = FindVersion(TextOf(argv[2]), TextOf(argv[3]), &call->deployment))
    return ReplyFailure(context, failure);
  return Run(context, kCommand, std::move(call), Arguments(argv + 4, static_cast<size_t>(argc - 4)));
}

// What the bundle does is bounded by the same limits as what was deployed, and by its caller's rights.
int CommandNodeTry(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (AnsweredKeyPositions(context, argv, argc, kNumkeysOfRun)) return redis::kOk;
  if (argc < 7) return redis::WrongArity(context);
  constexpr char kCommand[] = "LOCUS.NODE TRY";
  if (const Failure failure = CheckMayRun(context, kCommand)) return ReplyFailure(context, failure);
  const std::string_view bundle = TextOf(argv[2]);
  if (const Failure failure = CheckBundleBytes(bundle)) return ReplyFailure(context, failure);
  auto call = std::make_unique<PendingCall>();
  const std::string_view description = TextOf(argv[3]);
  if (const Failure failure =
          Registry::Prepare(std::string(bundle), std::string(description), &call->deployment, /*tried=*/true))
    return ReplyFailure(context, failure);
  return Run(context, kCommand, std::move(call), Arguments(argv + 4, static_cast<size_t>(argc - 4)));
}

int CommandNodeCancel(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  return redis::ReplyWithLongLong(context, TheModule().calls.Cancel(context, TextOf(argv[2])) ? 1 : 0);
}

}  // namespace locus
