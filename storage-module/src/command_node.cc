// LOCUS.NODE: what compute nodes ask of the storage side. RUN is LOCUS.CALL with a version, options, and all
// that the sandbox measured in the reply; CANCEL ends a RUN from another connection.
#include <memory>
#include <nlohmann/json.hpp>

#include "json_text.h"
#include "module.h"

namespace locus {

namespace {

using Json = nlohmann::json;

/// Bytes of a RUN's options.
constexpr size_t kOptionsBytesMax = 4 * 1024;
/// Bytes of a caller's name for its call, and of its trace.
constexpr size_t kCancelIdBytesMax = 128;
constexpr size_t kTraceBytesMax = 256;
/// As LIMITS.deadlineMs in runtime/function/description.ts.
constexpr int64_t kDeadlineMsMax = 300'000;

Failure InvalidOptions(std::string message) {
  return {Code::REQUEST_INVALID, "options of LOCUS.NODE RUN: " + std::move(message)};
}

Failure ReadOptions(std::string_view text, PendingCall* call) {
  if (text.size() > kOptionsBytesMax)
    return InvalidOptions("more than " + std::to_string(kOptionsBytesMax) + " bytes");
  const Json options = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!options.is_object()) return InvalidOptions(Shown(text) + " is no JSON object");
  for (const auto& [name, value] : options.items()) {
    if (name == "deadlineMs") {
      if (!value.is_number_unsigned() || value < 1 || value > kDeadlineMsMax)
        return InvalidOptions("deadlineMs is " + Shown(value.dump()) + ", must be a whole number from 1 to " +
                              std::to_string(kDeadlineMsMax));
      call->deadline_ms = value.get<int64_t>();
    } else if (name == "logs") {
      if (!value.is_boolean()) return InvalidOptions("logs must be true or false");
      call->logs = value.get<bool>();
    } else if (name == "id") {
      if (!value.is_string()) return InvalidOptions("id must be a string");
      call->cancel_id = value.get<std::string>();
      if (call->cancel_id.empty() || call->cancel_id.size() > kCancelIdBytesMax)
        return InvalidOptions("id must have 1 to " + std::to_string(kCancelIdBytesMax) + " bytes");
    } else if (name == "trace") {
      // Held to its form now; what carries it on comes with tracing.
      if (!value.is_string() || value.get_ref<const std::string&>().size() > kTraceBytesMax)
        return InvalidOptions("trace must be a string of at most " + std::to_string(kTraceBytesMax) +
                              " bytes");
    } else {
      return InvalidOptions("there is none named " + Shown(name) + ", only deadlineMs, logs, id and trace");
    }
  }
  return {};
}

std::string ErrorJson(const Outcome& outcome) {
  std::string json = "{";
  AppendJsonName(&json, "code");
  AppendJsonString(&json, CodeName(outcome.code));
  AppendJsonName(&json, "message");
  AppendJsonString(&json, outcome.message);
  AppendJsonName(&json, "stack");
  AppendJsonString(&json, outcome.stack);
  json.push_back('}');
  return json;
}

int ReplyOutcome(RedisModuleCtx* context, const PendingCall& call) {
  const Outcome& outcome = call.outcome;
  const bool ok = outcome.code == Code::kOk;
  redis::ReplyWithArray(context, 5);
  ReplyText(context, ok ? "ok" : "error");
  ReplyText(context, call.deployment.image->version);
  ReplyText(context, UsageJson(outcome.usage));
  ReplyText(context, JsonStrings(outcome.logs));
  return ReplyText(context, ok ? outcome.result : ErrorJson(outcome));
}

/// `*`: the current version.
Failure FindVersion(std::string_view name, std::string_view version, Deployment* deployment) {
  const Registry& registry = TheModule().registry;
  const Deployment* current = registry.Find(name);
  if (current == nullptr) return {Code::FUNCTION_NOT_FOUND, "there is no function " + Shown(name) + " here"};
  const Deployment* found = version == "*" ? current : registry.Find(name, version);
  if (found == nullptr)
    return {Code::VERSION_NOT_FOUND, "the function " + std::string(name) + " is here, but not in version " +
                                         Shown(version) + "; its current one is " + current->image->version};
  *deployment = *found;
  return {};
}

}  // namespace

int CommandNodeRun(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (AnsweredKeyPositions(context, argv, argc, kNumkeysOfRun)) return redis::kOk;
  if (argc < 7) return redis::WrongArity(context);
  if (const Failure failure = CheckByItself(context, "LOCUS.NODE RUN")) return ReplyFailure(context, failure);
  if (const Failure failure = CheckEnabled()) return ReplyFailure(context, failure);
  auto call = std::make_unique<PendingCall>();
  call->reply = ReplyOutcome;
  if (const Failure failure = FindVersion(TextOf(argv[2]), TextOf(argv[3]), &call->deployment))
    return ReplyFailure(context, failure);
  Arguments rest(argv + 4, static_cast<size_t>(argc - 4));
  if (const Failure failure = TakeKeys(&rest, &call->arguments)) return ReplyFailure(context, failure);
  if (rest.size() != 2)
    return ReplyFailure(context,
                        {Code::REQUEST_INVALID, "after its keys LOCUS.NODE RUN takes options and args, not " +
                                                    std::to_string(rest.size()) + " arguments"});
  if (const Failure failure = ReadOptions(TextOf(rest[0]), call.get())) return ReplyFailure(context, failure);
  if (const Failure failure = ReadArgs(rest.subspan(1), &call->arguments))
    return ReplyFailure(context, failure);
  return TheModule().calls.Start(context, std::move(call));
}

int CommandNodeCancel(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  return redis::ReplyWithLongLong(context, TheModule().calls.Cancel(context, TextOf(argv[2])) ? 1 : 0);
}

}  // namespace locus
