#include "given_outcome.h"

#include <nlohmann/json.hpp>

#include "json_text.h"
#include "lane.h"

namespace locus {

namespace {

using Json = nlohmann::json;

/// Of a time: three hours, beyond any deadline. Of a count: what JavaScript holds exactly.
constexpr double kUsMax = 1e10;
constexpr double kCountMax = 9007199254740991;

struct UsageField {
  const char* name;
  double max;
  void (*set)(Usage*, double value);
  /// A node that is older than this module does not tell it.
  bool may_lack = false;
};

template <auto Field>
void SetNs(Usage* usage, double us) {
  usage->*Field = static_cast<int64_t>(us * 1e3);
}
template <auto Field>
void SetIsolateNs(Usage* usage, double us) {
  usage->isolate.*Field = static_cast<uint64_t>(us * 1e3);
}
template <auto Field>
void SetCount(Usage* usage, double count) {
  usage->isolate.*Field = static_cast<uint64_t>(count);
}

constexpr UsageField kUsageFields[] = {
    {"wallUs", kUsMax, SetNs<&Usage::wall_ns>},
    {"queueUs", kUsMax, SetNs<&Usage::queue_ns>},
    {"startUs", kUsMax, SetNs<&Usage::start_ns>},
    {"cpuUs", kUsMax, SetIsolateNs<&UsageWire::cpu_ns>},
    {"slowedUs", kUsMax, SetIsolateNs<&UsageWire::slowed_ns>, true},
    {"waitUs", kUsMax, SetIsolateNs<&UsageWire::wait_ns>},
    {"operations", kCountMax, SetCount<&UsageWire::operations>},
    {"rounds", kCountMax, SetCount<&UsageWire::rounds>},
    {"bytesOut", kCountMax, SetCount<&UsageWire::bytes_out>},
    {"bytesIn", kCountMax, SetCount<&UsageWire::bytes_in>},
    {"findableOperations", kCountMax, SetCount<&UsageWire::findable_operations>, true},
    {"findableRounds", kCountMax, SetCount<&UsageWire::findable_rounds>, true},
    {"foundOperations", kCountMax, SetCount<&UsageWire::found_operations>, true},
    {"foundRounds", kCountMax, SetCount<&UsageWire::found_rounds>, true},
    {"lockUs", kUsMax, SetNs<&Usage::lock_ns>},
};

Failure NothingUsable(std::string message) {
  return {Code::REQUEST_INVALID, "what was given cannot be used: " + std::move(message)};
}

Failure ReadUsage(std::string_view text, Usage* usage) {
  if (text.size() > kUsageBytesMax)
    return NothingUsable("the usage has more than " + std::to_string(kUsageBytesMax) + " bytes");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NothingUsable("the usage " + Shown(text) + " is no JSON object");
  for (const UsageField& field : kUsageFields) {
    const auto found = json.find(field.name);
    if (found == json.end() && field.may_lack) continue;
    const double value = found != json.end() && found->is_number() ? found->get<double>() : -1;
    if (!(value >= 0 && value <= field.max))
      return NothingUsable(std::string("the usage's ") + field.name + " must be a number from 0");
    field.set(usage, value);
  }
  BoundSlowed(&usage->isolate);
  return {};
}

/// kCount where there is none.
Code CodeNamed(std::string_view name) {
  uint32_t code = 1;
  while (code < static_cast<uint32_t>(Code::kCount) && name != CodeName(static_cast<Code>(code))) code++;
  return static_cast<Code>(code);
}

std::string TextOfField(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return "";
  return found->get_ref<const std::string&>().substr(0, kErrorTextBytesMax);
}

}  // namespace

Failure ReadGivenResult(std::string_view usage, std::string_view result, Outcome* outcome) {
  if (result.size() > kResultBytesMax)
    return NothingUsable("the result has " + std::to_string(result.size()) + " bytes, may have " +
                         std::to_string(kResultBytesMax));
  // Whoever writes one result per line must not get two.
  if (result.empty() || result.find('\n') != result.npos || !IsUtf8(result))
    return NothingUsable("the result is no JSON on one line");
  outcome->result = result;
  return ReadUsage(usage, &outcome->usage);
}

Failure ReadGivenError(std::string_view usage, std::string_view error, Outcome* outcome) {
  // Two texts, each byte escaped.
  constexpr size_t kBytesMax = 2 * 6 * kErrorTextBytesMax + 1024;
  if (error.size() > kBytesMax)
    return NothingUsable("the error has " + std::to_string(error.size()) + " bytes, may have " +
                         std::to_string(kBytesMax));
  const Json json = Json::parse(error, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NothingUsable("the error " + Shown(error) + " is no JSON object");
  const std::string name = TextOfField(json, "code");
  outcome->code = CodeNamed(name);
  if (outcome->code == Code::kCount) return NothingUsable("there is no error " + Shown(name));
  outcome->message = TextOfField(json, "message");
  outcome->stack = TextOfField(json, "stack");
  return ReadUsage(usage, &outcome->usage);
}

}  // namespace locus
