#include "function_stats.h"

#include "json_text.h"

namespace locus {

namespace {

/// Room for what calls mostly use; there may be more of it.
constexpr size_t kUsageJsonBytes = 384;

void AppendUsage(std::string* json, const Usage& usage) {
  const UsageWire& isolate = usage.isolate;
  AppendJsonUs(json, "wallUs", usage.wall_ns);
  AppendJsonUs(json, "queueUs", usage.queue_ns);
  AppendJsonUs(json, "startUs", usage.start_ns);
  AppendJsonUs(json, "cpuUs", static_cast<int64_t>(isolate.cpu_ns));
  AppendJsonUs(json, "slowedUs", static_cast<int64_t>(isolate.slowed_ns));
  AppendJsonUs(json, "waitUs", static_cast<int64_t>(isolate.wait_ns));
  AppendJsonNumber(json, "operations", isolate.operations);
  AppendJsonNumber(json, "rounds", isolate.rounds);
  AppendJsonNumber(json, "bytesOut", isolate.bytes_out);
  AppendJsonNumber(json, "bytesIn", isolate.bytes_in);
  AppendJsonNumber(json, "findableOperations", isolate.findable_operations);
  AppendJsonNumber(json, "findableRounds", isolate.findable_rounds);
  AppendJsonNumber(json, "foundOperations", isolate.found_operations);
  AppendJsonNumber(json, "foundRounds", isolate.found_rounds);
  AppendJsonUs(json, "lockUs", usage.lock_ns);
}

/// Whatever nodes say of their calls, there is no overflow.
void AddTime(int64_t ns, int64_t* sum) {
  if (__builtin_add_overflow(*sum, ns, sum)) *sum = INT64_MAX;
}

void Add(const Usage& usage, Usage* sum) {
  sum->isolate.cpu_ns += usage.isolate.cpu_ns;
  sum->isolate.slowed_ns += usage.isolate.slowed_ns;
  sum->isolate.wait_ns += usage.isolate.wait_ns;
  sum->isolate.operations += usage.isolate.operations;
  sum->isolate.rounds += usage.isolate.rounds;
  sum->isolate.bytes_out += usage.isolate.bytes_out;
  sum->isolate.bytes_in += usage.isolate.bytes_in;
  sum->isolate.findable_operations += usage.isolate.findable_operations;
  sum->isolate.findable_rounds += usage.isolate.findable_rounds;
  sum->isolate.found_operations += usage.isolate.found_operations;
  sum->isolate.found_rounds += usage.isolate.found_rounds;
  AddTime(usage.wall_ns, &sum->wall_ns);
  AddTime(usage.queue_ns, &sum->queue_ns);
  AddTime(usage.start_ns, &sum->start_ns);
  AddTime(usage.lock_ns, &sum->lock_ns);
}

}  // namespace

void CallCounters::Admit() {
  calls++;
  in_flight++;
}

void CallCounters::End(const Outcome& outcome) {
  in_flight--;
  if (outcome.back) return PushedBack(outcome.usage);
  outcomes[static_cast<size_t>(outcome.code)]++;
  Add(outcome.usage, &usage);
}

void CallCounters::PushedBack(const Usage& used) {
  pushed_back++;
  Add(used, &usage);
}

uint64_t CallCounters::errors() const {
  uint64_t sum = 0;
  for (size_t code = 1; code < outcomes.size(); code++) sum += outcomes[code];
  return sum - outcomes[static_cast<size_t>(Code::CALL_REFUSED)];
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

void FunctionStats::End(const FunctionImage& image, const Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  totals_.End(outcome);
  if (image.tried) return;
  const auto found = functions_.find(image.name);
  if (found != functions_.end() && found->second.in_flight > 0) found->second.End(outcome);
}

void FunctionStats::PushedBack(const FunctionImage& image, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  totals_.PushedBack(usage);
  const auto found = functions_.find(image.name);
  if (found != functions_.end() && found->second.in_flight > 0) found->second.PushedBack(usage);
}

void FunctionStats::LetStay(const FunctionImage& image) {
  const std::lock_guard lock(mutex_);
  totals_.let_stay++;
  const auto found = functions_.find(image.name);
  if (found != functions_.end()) found->second.let_stay++;
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

std::string FunctionStats::Json(std::string_view name, const Supervisor::Load& load) const {
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
  AppendJsonNumber(&json, "pushedBack", counters.pushed_back);
  AppendJsonNumber(&json, "letStay", counters.let_stay);
  AppendJsonNumber(&json, "isolates", load.isolates);
  AppendJsonNumber(&json, "isolatesMax", load.isolates_max);
  AppendJsonNumber(&json, "busy", load.busy);
  AppendJsonNumber(&json, "waiting", load.waiting);
  AppendUsage(&json, counters.usage);
  json.push_back('}');
  return json;
}

std::string UsageJson(const Usage& usage) {
  std::string json;
  json.reserve(kUsageJsonBytes);
  json.push_back('{');
  AppendUsage(&json, usage);
  json.push_back('}');
  return json;
}

}  // namespace locus
