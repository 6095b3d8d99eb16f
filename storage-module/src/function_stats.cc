#include "function_stats.h"

#include "json_text.h"

namespace locus {

namespace {

void AppendUsage(std::string* json, int64_t wall_ns, int64_t queue_ns, const UsageWire& isolate,
                 int64_t lock_ns) {
  AppendJsonUs(json, "wallUs", wall_ns);
  AppendJsonUs(json, "queueUs", queue_ns);
  AppendJsonUs(json, "cpuUs", static_cast<int64_t>(isolate.cpu_ns));
  AppendJsonUs(json, "waitUs", static_cast<int64_t>(isolate.wait_ns));
  AppendJsonNumber(json, "operations", isolate.operations);
  AppendJsonNumber(json, "rounds", isolate.rounds);
  AppendJsonNumber(json, "bytesOut", isolate.bytes_out);
  AppendJsonNumber(json, "bytesIn", isolate.bytes_in);
  AppendJsonUs(json, "lockUs", lock_ns);
}

}  // namespace

void CallCounters::Admit() {
  calls++;
  in_flight++;
}

void CallCounters::End(Code code, const Usage& usage) {
  in_flight--;
  outcomes[static_cast<size_t>(code)]++;
  isolate.cpu_ns += usage.isolate.cpu_ns;
  isolate.wait_ns += usage.isolate.wait_ns;
  isolate.operations += usage.isolate.operations;
  isolate.rounds += usage.isolate.rounds;
  isolate.bytes_out += usage.isolate.bytes_out;
  isolate.bytes_in += usage.isolate.bytes_in;
  wall_ns += usage.wall_ns;
  queue_ns += usage.queue_ns;
  lock_ns += usage.lock_ns;
}

uint64_t CallCounters::errors() const {
  uint64_t sum = 0;
  for (size_t code = 1; code < outcomes.size(); code++) sum += outcomes[code];
  return sum;
}

std::vector<std::pair<const char*, uint64_t>> CallCounters::errors_by_code() const {
  std::vector<std::pair<const char*, uint64_t>> errors;
  for (size_t code = 1; code < outcomes.size(); code++) {
    if (outcomes[code] > 0) errors.emplace_back(CodeName(static_cast<Code>(code)), outcomes[code]);
  }
  return errors;
}

void FunctionStats::Admit(const FunctionImage& image) {
  const std::lock_guard lock(mutex_);
  totals_.Admit();
  if (!image.tried) functions_[image.name].Admit();
}

void FunctionStats::End(const FunctionImage& image, Code code, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  totals_.End(code, usage);
  if (image.tried) return;
  const auto found = functions_.find(image.name);
  if (found != functions_.end() && found->second.in_flight > 0) found->second.End(code, usage);
}

void FunctionStats::Forget(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = functions_.find(name);
  if (found != functions_.end()) functions_.erase(found);
}

CallCounters FunctionStats::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::string FunctionStats::Json(std::string_view name) const {
  CallCounters counters;
  {
    const std::lock_guard lock(mutex_);
    const auto found = functions_.find(name);
    if (found != functions_.end()) counters = found->second;
  }
  std::string json = "{";
  AppendJsonNumber(&json, "calls", counters.calls);
  AppendJsonNumber(&json, "inFlight", counters.in_flight);
  AppendJsonNumber(&json, "ok", counters.outcomes[0]);
  AppendJsonName(&json, "errors");
  json.push_back('{');
  for (const auto& [code, count] : counters.errors_by_code()) AppendJsonNumber(&json, code, count);
  json.push_back('}');
  AppendUsage(&json, counters.wall_ns, counters.queue_ns, counters.isolate, counters.lock_ns);
  json.push_back('}');
  return json;
}

std::string UsageJson(const Usage& usage) {
  std::string json = "{";
  AppendUsage(&json, usage.wall_ns, usage.queue_ns, usage.isolate, usage.lock_ns);
  json.push_back('}');
  return json;
}

}  // namespace locus
