// LOCUS.PLAN GET | SET: the plan that LOCUS.CALL follows here. Kept in memory only, on this server only: a
// plan is right for a moment and for one server, and who has none runs everything itself.
#include "module.h"

namespace locus {

int CommandPlanGet(RedisModuleCtx* context, RedisModuleString**, int argc) {
  if (argc != 2) return redis::WrongArity(context);
  return ReplyText(context, TheModule().plan.plan().Json());
}

int CommandPlanSet(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  Plan plan;
  if (const Failure failure = ReadPlan(TextOf(argv[2]), &plan)) return ReplyFailure(context, failure);
  PlanFollower& follower = TheModule().plan;
  // No error: a controller that was succeeded, and does not know it yet, is expected.
  const bool taken = follower.Follow(std::move(plan));
  redis::ReplyWithArray(context, 2);
  ReplyText(context, taken ? "taken" : "kept");
  return redis::ReplyWithLongLong(context, static_cast<long long>(follower.plan().version));
}

}  // namespace locus
