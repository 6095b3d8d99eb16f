#include "plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "function_description.h"
#include "json_text.h"
#include "run_options.h"

namespace locus {

namespace {

using Json = nlohmann::json;

/// PlacementState in plan.ts.
constexpr std::string_view kStates[] = {"profiling", "compute", "storage", "split", "probing", "pinned"};
/// A plan, its placements, one of them. What is nested deeper is no plan, and costs memory before that is
/// known.
constexpr int kDepthMax = 3;

Failure NoPlan(std::string message) {
  return {Code::REQUEST_INVALID, "the plan cannot be used: " + std::move(message)};
}

Json ParseFlat(std::string_view text) {
  // The parser skips a byte order mark and ends at a NUL byte; whoever reads the text elsewhere does not.
  if (!text.starts_with('{') || text.find('\0') != text.npos) return {};
  bool flat = true;
  const Json json = Json::parse(
      text,
      [&flat](int depth, Json::parse_event_t, const Json&) {
        flat = flat && depth <= kDepthMax;
        return flat;
      },
      /*allow_exceptions=*/false);
  return flat ? json : Json();
}

/// Whether the object has these fields and no others.
bool HasJust(const Json& object, std::initializer_list<const char*> names) {
  return object.is_object() && object.size() == names.size() &&
         std::ranges::all_of(names, [&](const char* name) { return object.contains(name); });
}

bool IsNumberUpTo(const Json& value, uint64_t max) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= max;
}

Failure ReadPlacement(const std::string& function, const Json& json, Placement* placement) {
  const auto invalid = [&](const std::string& what) { return NoPlan("of " + Shown(function) + " " + what); };
  if (!IsFunctionName(function)) return NoPlan(Shown(function) + " is no function's name");
  if (!HasJust(json, {"state", "share", "probeEvery", "backCpuUs", "overflowMin", "overflowTimes"}))
    return invalid(
        "it must say state, share, probeEvery, backCpuUs, overflowMin and overflowTimes, and nothing else");
  const Json& state = json["state"];
  const auto known =
      state.is_string() ? std::ranges::find(kStates, state.get_ref<const std::string&>()) : std::end(kStates);
  if (known == std::end(kStates)) return invalid("the state " + Shown(state.dump()) + " is not known");
  placement->state = *known;
  const Json& share = json["share"];
  placement->share = share.is_number() ? share.get<double>() : -1;
  if (!(placement->share >= 0 && placement->share <= 1))
    return invalid("the share is " + Shown(share.dump()) + ", must be a number from 0 to 1");
  const Json& probe_every = json["probeEvery"];
  if (!IsNumberUpTo(probe_every, UINT32_MAX))
    return invalid("probeEvery is " + Shown(probe_every.dump()) + ", must be a whole number from 0");
  placement->probe_every = probe_every.get<uint32_t>();
  const Json& back_cpu_us = json["backCpuUs"];
  if (!IsNumberUpTo(back_cpu_us, kBackCpuUsMax))
    return invalid("backCpuUs is " + Shown(back_cpu_us.dump()) + ", must be a whole number from 0 to " +
                   std::to_string(kBackCpuUsMax));
  placement->back_cpu_us = back_cpu_us.get<int64_t>();
  const std::string to_max = " from 0 to " + std::to_string(kOverflowMax);
  const Json& overflow_min = json["overflowMin"];
  if (!IsNumberUpTo(overflow_min, kOverflowMax))
    return invalid("overflowMin is " + Shown(overflow_min.dump()) + ", must be a whole number" + to_max);
  placement->overflow_min = overflow_min.get<uint32_t>();
  const Json& overflow_times = json["overflowTimes"];
  placement->overflow_times = overflow_times.is_number() ? overflow_times.get<double>() : -1;
  if (!(placement->overflow_times >= 0 && placement->overflow_times <= kOverflowMax))
    return invalid("overflowTimes is " + Shown(overflow_times.dump()) + ", must be a number" + to_max);
  return {};
}

}  // namespace

std::string Plan::Json() const {
  std::string json = "{";
  AppendJsonNumber(&json, "version", version);
  AppendJsonName(&json, "placements");
  json.push_back('{');
  for (const auto& [function, placement] : placements) {
    AppendJsonName(&json, function);
    json.push_back('{');
    AppendJsonName(&json, "state");
    AppendJsonString(&json, placement.state);
    AppendJsonName(&json, "share");
    AppendJsonDouble(&json, placement.share);
    AppendJsonNumber(&json, "probeEvery", placement.probe_every);
    AppendJsonNumber(&json, "backCpuUs", static_cast<uint64_t>(placement.back_cpu_us));
    AppendJsonNumber(&json, "overflowMin", placement.overflow_min);
    AppendJsonName(&json, "overflowTimes");
    AppendJsonDouble(&json, placement.overflow_times);
    json.push_back('}');
  }
  json.append("}}");
  return json;
}

Failure ReadPlan(std::string_view text, Plan* plan) {
  if (text.size() > kPlanBytesMax)
    return NoPlan("it has " + std::to_string(text.size()) + " bytes, may have " +
                  std::to_string(kPlanBytesMax));
  const nlohmann::json json = ParseFlat(text);
  if (!HasJust(json, {"version", "placements"}))
    return NoPlan("it must be a JSON object with version and placements, and nothing else");
  const nlohmann::json& version = json["version"];
  if (!IsNumberUpTo(version, kPlanVersionMax) || version == 0)
    return NoPlan("its version is " + Shown(version.dump()) + ", must be a whole number from 1 to " +
                  std::to_string(kPlanVersionMax));
  const nlohmann::json& placements = json["placements"];
  if (!placements.is_object() || placements.size() > kPlanFunctionsMax)
    return NoPlan("placements must be an object of at most " + std::to_string(kPlanFunctionsMax) +
                  " functions");
  Plan read;
  read.version = version.get<uint64_t>();
  for (const auto& [function, placement] : placements.items()) {
    if (Failure failure = ReadPlacement(function, placement, &read.placements[function])) return failure;
  }
  *plan = std::move(read);
  return {};
}

}  // namespace locus
