#include "traces.h"

#include <algorithm>
#include <utility>

#include "function_stats.h"
#include "json_text.h"

namespace locus {

namespace {

/// Of a step that has none.
constexpr int64_t kNone = -1;

uint64_t RoundedUs(int64_t ns) {
  return static_cast<uint64_t>((ns + 500) / 1'000);
}

const char* NameOf(Side side) {
  return side == Side::kStorage ? "storage" : "compute";
}

/// A TraceStep of compute/node/trace.ts. What took no time was not there.
void AppendStep(std::string* json, const char* state, Side side, int64_t at_ns, int64_t for_ns) {
  if (for_ns != kNone && RoundedUs(for_ns) == 0) return;
  if (json->back() != '[') json->push_back(',');
  json->push_back('{');
  AppendJsonName(json, "state");
  AppendJsonString(json, state);
  AppendJsonName(json, "side");
  AppendJsonString(json, NameOf(side));
  if (at_ns != kNone) AppendJsonNumber(json, "atUs", RoundedUs(at_ns));
  if (for_ns != kNone) AppendJsonNumber(json, "forUs", RoundedUs(for_ns));
  json->push_back('}');
}

void AppendStay(std::string* json, int64_t admitted_ns, const Stay& stay) {
  // Waiting for a node and for one of its isolates is waiting, and so is all of it where none took the call.
  int64_t begun_ns = stay.from_ns;
  if (stay.side == Side::kCompute) begun_ns = stay.taken_ns != 0 ? stay.taken_ns : stay.until_ns;
  // Nothing that a node or a host says of a call lasts longer than the call was there.
  const int64_t there_ns = stay.until_ns - begun_ns;
  const auto bounded = [&](uint64_t ns) {
    return static_cast<int64_t>(std::min(ns, static_cast<uint64_t>(there_ns)));
  };
  const int64_t queue_ns = bounded(static_cast<uint64_t>(stay.usage.queue_ns));
  const int64_t start_ns = std::min(bounded(static_cast<uint64_t>(stay.usage.start_ns)), queue_ns);
  const int64_t cpu_ns = stay.taken_ns != 0 && !stay.told ? there_ns : bounded(stay.usage.isolate.cpu_ns);
  const int64_t dispatched_ns = begun_ns + queue_ns;
  const int64_t starting_ns = dispatched_ns - start_ns;
  AppendStep(json, "queued", stay.side, stay.from_ns - admitted_ns, starting_ns - stay.from_ns);
  AppendStep(json, "starting", stay.side, starting_ns - admitted_ns, start_ns);
  AppendStep(json, "running", stay.side, dispatched_ns - admitted_ns, cpu_ns);
  AppendStep(json, "waiting", stay.side, kNone, bounded(stay.usage.isolate.wait_ns));
  if (stay.pushed_back) AppendStep(json, "pushed-back", stay.side, stay.until_ns - admitted_ns, kNone);
}

}  // namespace

std::string Trace::Json() const {
  const bool ok = code == Code::kOk;
  std::string json = "{";
  AppendJsonName(&json, "user");
  AppendJsonString(&json, user);
  AppendJsonName(&json, "outcome");
  AppendJsonString(&json, ok ? "ok" : CodeName(code));
  AppendJsonNumber(&json, "keys", sizes.keys);
  AppendJsonNumber(&json, "keyBytes", sizes.key_bytes);
  AppendJsonNumber(&json, "argsBytes", sizes.args_bytes);
  AppendJsonNumber(&json, "resultBytes", result_bytes);
  AppendJsonName(&json, "usage");
  json.append(UsageJson(stays.back().usage));
  AppendJsonName(&json, "trace");
  json.push_back('[');
  for (const Stay& stay : stays) AppendStay(&json, admitted_ns, stay);
  AppendStep(&json, ok ? "done" : "failed", stays.back().side, elapsed_ns, kNone);
  json.append("]}");
  return json;
}

void Traces::Keep(Trace trace) {
  trace.id = ++ids_;
  if (kept_.size() >= kTracesMax) kept_.pop_front();
  kept_.push_back(std::move(trace));
}

}  // namespace locus
