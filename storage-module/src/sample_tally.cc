#include "sample_tally.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "json_text.h"

namespace locus {

namespace {

/// As RATIO in histogram.ts, OPERATION_WORK_US in tally.ts.
constexpr double kRatio = 1.1;
constexpr double kOperationWorkUs = 5;
/// Where `failed`, `untold` and `fixed` are in TALLY_TERMS.
constexpr size_t kFailed = 1;
constexpr size_t kUntold = 16;
constexpr size_t kFixed = 17;

/// As PARTS_TOLD in tally.ts: squares to the whole, logarithms to a millionth, all else to a thousandth.
constexpr double PartsTold(size_t term) {
  constexpr size_t kServiceUsSquared = 4;
  constexpr size_t kLogWork = 12;
  constexpr size_t kLogCpuSquared = 15;
  if (term == kServiceUsSquared) return 1;
  return term >= kLogWork && term <= kLogCpuSquared ? 1e6 : 1e3;
}

/// As TELLING in tally.ts.
bool IsTelling(Code code) {
  return code == Code::kOk || code == Code::RESULT_INVALID || code == Code::RESULT_TOO_LARGE ||
         code == Code::DEADLINE_EXCEEDED || code == Code::CPU_LIMIT || code == Code::OPERATIONS_LIMIT;
}

/// What a host says of itself is unsigned: whatever it says, a sum stays a number.
template <typename Ns>
double UsOf(Ns ns) {
  return static_cast<double>(ns) / 1e3;
}

}  // namespace

bool IsRefused(Code code) {
  return code == Code::ARGS_INVALID || code == Code::ARGS_TOO_LARGE || code == Code::PERMISSION_DENIED;
}

size_t TallyBucketOf(double us) {
  static const double log_ratio = std::log(kRatio);
  if (us <= 1) return 0;
  return static_cast<size_t>(std::min<double>(kTallyBuckets - 1, std::ceil(std::log(us) / log_ratio)));
}

void SampleTally::Record(std::string_view function, std::string_view version, Code code, const Usage& usage,
                         int64_t elapsed_ns, bool fixed) {
  if (IsRefused(code)) return;
  auto found = functions_.find(function);
  if (found == functions_.end()) {
    if (functions_.size() >= kTalliedFunctionsMax) MakeRoom();
    found = functions_.emplace(function, Sums{std::string(version)}).first;
  } else if (found->second.version != version) {
    found->second = Sums{std::string(version)};
  }
  found->second.used = ++uses_;
  found->second.calls++;
  found->second.Add(code, usage, UsOf(elapsed_ns), fixed);
}

void SampleTally::MakeRoom() {
  std::vector<uint64_t> uses;
  uses.reserve(functions_.size());
  for (const auto& [function, sums] : functions_) uses.push_back(sums.used);
  const auto last = uses.begin() + static_cast<std::ptrdiff_t>(uses.size() / 4 - 1);
  std::ranges::nth_element(uses, last);
  std::erase_if(functions_, [&](const auto& entry) {
    if (entry.second.used > *last) return false;
    untracked_ += entry.second.calls;
    return true;
  });
}

void SampleTally::Sums::Add(Code code, const Usage& usage, double elapsed_us, bool fixed) {
  if (fixed) values[kFixed]++;
  if (code != Code::kOk) {
    if (code != Code::CALL_REFUSED) values[kFailed]++;
    if (!IsTelling(code) || usage.isolate.cpu_ns == 0) {
      values[kUntold]++;
      return;
    }
  }
  const double service_us = UsOf(usage.wall_ns - usage.queue_ns);
  const double cpu_us = UsOf(usage.isolate.cpu_ns);
  const auto operations = static_cast<double>(usage.isolate.operations);
  const double slowed_us = std::min(cpu_us, UsOf(usage.isolate.slowed_ns));
  const double log_work = std::log1p(cpu_us - slowed_us + kOperationWorkUs * operations);
  const double log_cpu = std::log1p(cpu_us);
  // In the order of TALLY_TERMS.
  const std::array<double, kTallyTerms> terms = {
      1,
      0,
      elapsed_us,
      service_us,
      service_us * service_us,
      UsOf(usage.queue_ns),
      cpu_us,
      UsOf(usage.isolate.wait_ns),
      operations,
      static_cast<double>(usage.isolate.rounds),
      static_cast<double>(usage.isolate.bytes_out) + static_cast<double>(usage.isolate.bytes_in),
      UsOf(usage.lock_ns),
      log_work,
      log_work * log_work,
      log_cpu,
      log_cpu * log_cpu,
      0,
      0,
      static_cast<double>(usage.isolate.findable_operations),
      static_cast<double>(usage.isolate.findable_rounds),
      static_cast<double>(usage.isolate.found_operations),
      static_cast<double>(usage.isolate.found_rounds),
      slowed_us,
      UsOf(usage.start_ns),
  };
  for (size_t i = 0; i < terms.size(); i++) values[i] += terms[i];
  elapsed[TallyBucketOf(elapsed_us)]++;
}

void SampleTally::Take(std::string* json) {
  AppendJsonNumber(json, "untracked", untracked_);
  AppendJsonName(json, "tallies");
  json->push_back('[');
  bool first = true;
  for (const auto& [function, sums] : functions_) {
    if (!first) json->push_back(',');
    first = false;
    sums.Append(json, function);
  }
  json->push_back(']');
  functions_.clear();
  untracked_ = 0;
}

void SampleTally::Sums::Append(std::string* json, std::string_view function) const {
  json->push_back('{');
  AppendJsonName(json, "function");
  AppendJsonString(json, function);
  AppendJsonName(json, "version");
  AppendJsonString(json, version);
  AppendJsonName(json, "side");
  AppendJsonString(json, "storage");
  AppendJsonName(json, "sums");
  json->push_back('[');
  for (size_t i = 0; i < values.size(); i++) {
    if (i > 0) json->push_back(',');
    AppendJsonDouble(json, std::round(values[i] * PartsTold(i)) / PartsTold(i));
  }
  json->push_back(']');
  AppendJsonName(json, "elapsed");
  json->push_back('[');
  bool first = true;
  for (size_t bucket = 0; bucket < elapsed.size(); bucket++) {
    if (elapsed[bucket] == 0) continue;
    if (!first) json->push_back(',');
    first = false;
    json->append(std::to_string(bucket)).push_back(',');
    json->append(std::to_string(elapsed[bucket]));
  }
  json->push_back(']');
  json->push_back('}');
}

}  // namespace locus
