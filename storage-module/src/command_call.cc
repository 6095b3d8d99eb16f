// LOCUS.CALL function numkeys [key …] [arg …]: runs the function, replies its result as JSON. As FCALL, it is
// routed by key in a cluster; unlike FCALL it blocks its own client only.
#include <algorithm>
#include <cctype>
#include <memory>

#include "module.h"

namespace locus {

namespace {

constexpr size_t kPlaceBytesMax = 256;

/// " at run (greet.ts:5:11)": the first frame of a stack that has a position; empty where none has.
std::string PlaceOf(std::string_view stack) {
  while (!stack.empty()) {
    const std::string_view line = stack.substr(0, stack.find('\n'));
    stack.remove_prefix(std::min(line.size() + 1, stack.size()));
    const size_t end = line.find_last_not_of(')');
    const bool has_position = end != std::string_view::npos && std::isdigit(line[end]) != 0 &&
                              line.find(':') != std::string_view::npos;
    if (line.starts_with("    at ") && has_position) return OneLine(line.substr(3), kPlaceBytesMax);
  }
  return "";
}

/// Which limit ended a call, and how much it was: as compute/node/limit-text.ts says it. The command takes no
/// deadline, so it is the function's own.
std::string LimitText(Code code, const Limits& limits) {
  if (code == Code::MEMORY_LIMIT) return " (limits.memoryMb: " + std::to_string(limits.memory_mb) + " MiB)";
  if (code == Code::DEADLINE_EXCEEDED)
    return " (limits.deadlineMs: " + std::to_string(limits.deadline_ms) + " ms)";
  return "";
}

/// How args are to be given: a word such as hello is no JSON, and redis-cli takes the quotes off "hello".
std::string ArgsText(const Outcome& outcome) {
  if (outcome.code != Code::ARGS_INVALID || !outcome.message.starts_with("args are not JSON")) return "";
  return "; one argument must be JSON, and several are passed as strings";
}

int ReplyResult(RedisModuleCtx* context, const PendingCall& call) {
  const Outcome& outcome = call.outcome;
  if (outcome.code == Code::kOk) return ReplyText(context, outcome.result);
  // One line is all that an error reply is: the stack's uppermost place in the author's files goes into it.
  const std::string end = ArgsText(outcome) + LimitText(outcome.code, call.deployment.image->limits) + PlaceOf(outcome.stack);
  return ReplyFailure(context, {outcome.code, OneLine(outcome.message, kMessageBytesMax - end.size()) + end});
}

}  // namespace

Failure CheckEnabled() {
  Settings& settings = TheModule().settings;
  if (settings.enabled == 0)
    return {Code::SIDE_UNAVAILABLE,
            "the module's setting enabled is no: LOCUS.CONFIG SET enabled yes switches the storage side on"};
  const std::string& missing = settings.MissingFile();
  if (!missing.empty())
    return {Code::SIDE_UNAVAILABLE, "no sandbox host can start: " + missing + " (LOCUS.CONFIG GET *)"};
  return {};
}

int CommandCall(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (AnsweredKeyPositions(context, argv, argc, kNumkeysOfCall)) return redis::kOk;
  if (argc < 3) return redis::WrongArity(context);
  if (const Failure failure = CheckByItself(context, "LOCUS.CALL")) return ReplyFailure(context, failure);
  if (const Failure failure = CheckEnabled()) return ReplyFailure(context, failure);
  const std::string_view name = TextOf(argv[1]);
  const Deployment* deployment = TheModule().registry.Find(name);
  if (deployment == nullptr)
    return ReplyFailure(context, FunctionNotFound(name));

  auto call = std::make_unique<PendingCall>();
  call->deployment = *deployment;
  call->reply = ReplyResult;
  call->direct = true;
  Arguments rest(argv + 2, static_cast<size_t>(argc - 2));
  if (const Failure failure = TakeKeys(&rest, &call->arguments)) return ReplyFailure(context, failure);
  if (const Failure failure = ReadArgs(rest, &call->arguments)) return ReplyFailure(context, failure);
  return TheModule().calls.Start(context, std::move(call));
}

}  // namespace locus
