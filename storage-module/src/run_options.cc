#include "run_options.h"

#include <nlohmann/json.hpp>

namespace locus {

namespace {

using Json = nlohmann::json;

Failure InvalidOptions(std::string message) {
  return {Code::REQUEST_INVALID, "options of LOCUS.NODE RUN: " + std::move(message)};
}

}  // namespace

Failure ReadRunOptions(std::string_view text, RunOptions* options) {
  if (text.size() > kOptionsBytesMax)
    return InvalidOptions("more than " + std::to_string(kOptionsBytesMax) + " bytes");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidOptions(Shown(text) + " is no JSON object");
  for (const auto& [name, value] : json.items()) {
    if (name == "deadlineMs") {
      if (!value.is_number_unsigned() || value < 1 || value > kDeadlineMsMax)
        return InvalidOptions("deadlineMs is " + Shown(value.dump()) + ", must be a whole number from 1 to " +
                              std::to_string(kDeadlineMsMax));
      options->deadline_ms = value.get<int64_t>();
    } else if (name == "backCpuUs") {
      if (!value.is_number_unsigned() || value < 1 || value > kBackCpuUsMax)
        return InvalidOptions("backCpuUs is " + Shown(value.dump()) + ", must be a whole number from 1 to " +
                              std::to_string(kBackCpuUsMax));
      options->back_cpu_us = value.get<int64_t>();
    } else if (name == "logs") {
      if (!value.is_boolean()) return InvalidOptions("logs must be true or false");
      options->logs = value.get<bool>();
    } else if (name == "id") {
      if (!value.is_string()) return InvalidOptions("id must be a string");
      options->cancel_id = value.get<std::string>();
      if (options->cancel_id.empty() || options->cancel_id.size() > kCancelIdBytesMax)
        return InvalidOptions("id must have 1 to " + std::to_string(kCancelIdBytesMax) + " bytes");
    } else {
      return InvalidOptions("there is none named " + Shown(name) +
                            ", only deadlineMs, backCpuUs, logs and id");
    }
  }
  return {};
}

}  // namespace locus
