// LOCUS.NODE ATTACH | DETACH | TAKE | WRITES | GIVE: nodes that run what this server hands them
// (attached_nodes.h). And ACT, by which a node's connection takes on the user for whom it runs something.
#include "given_outcome.h"
#include "module.h"

namespace locus {

namespace {

/// Ids of calls: what JavaScript holds exactly.
constexpr int64_t kCallIdMax = (int64_t{1} << 53) - 1;

Failure ReadGiven(std::string_view kind, Arguments arguments, Outcome* outcome) {
  if (IsWord(kind, "OK") && arguments.size() == 2)
    return ReadGivenResult(TextOf(arguments[0]), TextOf(arguments[1]), outcome);
  if (IsWord(kind, "ERROR") && arguments.size() == 2)
    return ReadGivenError(TextOf(arguments[0]), TextOf(arguments[1]), outcome);
  return {Code::REQUEST_INVALID,
          "usage: LOCUS.NODE GIVE id (OK usage result | ERROR usage error | BACK reason)"};
}

}  // namespace

int CommandNodeAct(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  if (const Failure failure = CheckByItself(context, "LOCUS.NODE ACT")) return ReplyFailure(context, failure);
  if (TheModule().settings.node_act == 0)
    return ReplyFailure(
        context, {Code::STORAGE_REFUSED, "the module's setting node-act is no: it is set after loadmodule"});
  const std::string_view user = TextOf(argv[2]);
  if (redis::AuthenticateClientWithACLUser(context, user.data(), user.size(), nullptr, nullptr, nullptr) !=
      redis::kOk)
    return ReplyFailure(context,
                        {Code::REQUEST_INVALID, "there is no user " + Shown(user) + ", or it is off"});
  TheModule().nodes.ChangeUser(context, user);
  return redis::ReplyWithSimpleString(context, "OK");
}

int CommandNodeAttach(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  const bool speaks = argc == 5 && IsWord(TextOf(argv[4]), "SPEAKS");
  if (argc != 4 && !speaks) return redis::WrongArity(context);
  Failure failure = CheckByItself(context, "LOCUS.NODE ATTACH");
  if (!failure) failure = TheModule().nodes.Attach(context, TextOf(argv[2]), TextOf(argv[3]), speaks);
  return failure ? ReplyFailure(context, failure) : redis::ReplyWithSimpleString(context, "OK");
}

int CommandNodeDetach(RedisModuleCtx* context, RedisModuleString**, int argc) {
  if (argc != 2) return redis::WrongArity(context);
  int64_t out = 0;
  if (const Failure failure = TheModule().nodes.Detach(context, &out)) return ReplyFailure(context, failure);
  return redis::ReplyWithLongLong(context, out);
}

int CommandNodeTake(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 4) return redis::WrongArity(context);
  int64_t max = 0;
  int64_t timeout_ms = 0;
  Failure failure = ReadNumber("max", TextOf(argv[2]), 0, kTakenAtOnceMax, &max);
  if (!failure) failure = ReadNumber("timeoutMs", TextOf(argv[3]), 0, kTakeTimeoutMsMax, &timeout_ms);
  return failure ? ReplyFailure(context, failure) : TheModule().nodes.Take(context, max, timeout_ms);
}

int CommandNodeWrites(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  AttachedNodes& nodes = TheModule().nodes;
  int64_t id = 0;
  bool taken = false;
  Failure failure = ReadNumber("id", TextOf(argv[2]), 0, kCallIdMax, &id);
  if (!failure) failure = nodes.CheckTaken(context, static_cast<uint64_t>(id), &taken);
  if (failure) return ReplyFailure(context, failure);
  if (taken) nodes.NoteWrites(static_cast<uint64_t>(id));
  return redis::ReplyWithLongLong(context, taken ? 1 : 0);
}

int CommandNodeGive(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc < 5) return redis::WrongArity(context);
  AttachedNodes& nodes = TheModule().nodes;
  int64_t id = 0;
  bool taken = false;
  Outcome outcome;
  const bool back = argc == 5 && IsWord(TextOf(argv[3]), "BACK");
  Failure failure = ReadNumber("id", TextOf(argv[2]), 0, kCallIdMax, &id);
  if (!failure) failure = nodes.CheckTaken(context, static_cast<uint64_t>(id), &taken);
  if (!failure && !back)
    failure = ReadGiven(TextOf(argv[3]), {argv + 4, static_cast<size_t>(argc - 4)}, &outcome);
  if (!failure && taken && back && nodes.HasAskedToWrite(static_cast<uint64_t>(id)))
    failure = {Code::REQUEST_INVALID, "a call that has asked to write cannot be given back"};
  if (failure) return ReplyFailure(context, failure);
  if (taken && back) {
    redis::Log(context, "verbose", "a node gave a call back: %s", OneLine(TextOf(argv[4])).c_str());
    nodes.TakeBack(static_cast<uint64_t>(id));
  } else if (taken) {
    nodes.Give(static_cast<uint64_t>(id), std::move(outcome));
  }
  return redis::ReplyWithLongLong(context, taken ? 1 : 0);
}

}  // namespace locus
