#include "run_options.h"

#include <nlohmann/json.hpp>

namespace locus {

namespace {

using Json = nlohmann::json;

}  // namespace

Failure ReadRunOptions(const char* command, std::string_view text, RunOptions* options) {
  const auto invalid = [command](const std::string& message) -> Failure {
    return {Code::REQUEST_INVALID, "options of " + std::string(command) + ": " + message};
  };
  if (text.size() > kOptionsBytesMax)
    return invalid("more than " + std::to_string(kOptionsBytesMax) + " bytes");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return invalid(Shown(text) + " is no JSON object");
  for (const auto& [name, value] : json.items()) {
    if (name == "deadlineMs") {
      if (!value.is_number_unsigned() || value < 1 || value > kDeadlineMsMax)
        return invalid("deadlineMs is " + Shown(value.dump()) + ", must be a whole number from 1 to " +
                       std::to_string(kDeadlineMsMax));
      options->deadline_ms = value.get<int64_t>();
    } else if (name == "backCpuUs") {
      if (!value.is_number_unsigned() || value < 1 || value > kBackCpuUsMax)
        return invalid("backCpuUs is " + Shown(value.dump()) + ", must be a whole number from 1 to " +
                       std::to_string(kBackCpuUsMax));
      options->back_cpu_us = value.get<int64_t>();
    } else if (name == "logs") {
      if (!value.is_boolean()) return invalid("logs must be true or false");
      options->logs = value.get<bool>();
    } else if (name == "id") {
      if (!value.is_string()) return invalid("id must be a string");
      options->cancel_id = value.get<std::string>();
      if (options->cancel_id.empty() || options->cancel_id.size() > kCancelIdBytesMax)
        return invalid("id must have 1 to " + std::to_string(kCancelIdBytesMax) + " bytes");
    } else {
      return invalid("there is none named " + Shown(name) + ", only deadlineMs, backCpuUs, logs and id");
    }
  }
  return {};
}

}  // namespace locus
