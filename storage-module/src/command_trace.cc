// LOCUS.TRACE GET [count] | LEN | RESET: what slow and failed calls were at, and when (traces.h).
#include <algorithm>

#include "module.h"

namespace locus {

namespace {

/// As SLOWLOG's.
constexpr int64_t kShownByDefault = 10;
constexpr int64_t kCountMax = INT32_MAX;

}  // namespace

int CommandTraceGet(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 2 && argc != 3) return redis::WrongArity(context);
  int64_t count = kShownByDefault;
  if (argc == 3) {
    if (const Failure failure = ReadNumber("count", TextOf(argv[2]), 0, kCountMax, &count))
      return ReplyFailure(context, failure);
  }
  const std::deque<Trace>& kept = TheModule().traces.kept();
  const auto shown = std::min(kept.size(), static_cast<size_t>(count));
  redis::ReplyWithArray(context, static_cast<long>(shown));
  for (auto trace = kept.rbegin(); trace != kept.rbegin() + static_cast<long>(shown); ++trace) {
    redis::ReplyWithArray(context, 6);
    redis::ReplyWithLongLong(context, static_cast<long long>(trace->id));
    redis::ReplyWithLongLong(context, trace->time_s);
    redis::ReplyWithLongLong(context, trace->elapsed_ns / 1'000);
    ReplyText(context, trace->function);
    ReplyText(context, trace->version);
    ReplyText(context, trace->Json());
  }
  return redis::kOk;
}

int CommandTraceLen(RedisModuleCtx* context, RedisModuleString**, int argc) {
  if (argc != 2) return redis::WrongArity(context);
  return redis::ReplyWithLongLong(context, static_cast<long long>(TheModule().traces.kept().size()));
}

int CommandTraceReset(RedisModuleCtx* context, RedisModuleString**, int argc) {
  if (argc != 2) return redis::WrongArity(context);
  TheModule().traces.Reset();
  return redis::ReplyWithSimpleString(context, "OK");
}

}  // namespace locus
