#include "function_description.h"

#include <nlohmann/json.hpp>

namespace locus {

namespace {

using Json = nlohmann::json;

struct LimitField {
  const char* name;
  uint32_t Limits::*field;
  uint32_t min;
  uint32_t max;
};

/// LIMITS in runtime/function/description.ts.
constexpr LimitField kLimitFields[] = {
    {"deadlineMs", &Limits::deadline_ms, 1, 300'000},
    {"cpuMs", &Limits::cpu_ms, 1, 300'000},
    {"memoryMb", &Limits::memory_mb, 8, 1'024},
    {"operations", &Limits::operations, 1, 10'000'000},
    {"concurrency", &Limits::concurrency, 1, kConcurrencyMax},
};

Failure NoDescription(std::string message) {
  return {Code::FUNCTION_INVALID, "the function's description cannot be used: " + std::move(message)};
}

std::string TextField(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Failure CheckBundleBytes(std::string_view bundle) {
  const size_t mark = bundle.rfind("//# sourceMappingURL=data:application/json;base64,");
  const size_t code_bytes = mark == bundle.npos ? bundle.size() : mark;
  if (code_bytes > kCodeBytesMax)
    return {Code::BUNDLE_TOO_LARGE, "the code of the bundle has " + std::to_string(code_bytes) +
                                        " bytes, may have " + std::to_string(kCodeBytesMax)};
  if (bundle.size() > kBundleBytesMax)
    return {Code::BUNDLE_TOO_LARGE, "the bundle has " + std::to_string(bundle.size()) +
                                        " bytes with its source map, may have " +
                                        std::to_string(kBundleBytesMax)};
  return {};
}

bool IsFunctionName(std::string_view name) {
  if (name.empty() || name.size() > kFunctionNameBytesMax || name[0] < 'a' || name[0] > 'z') return false;
  for (const char c : name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

Failure ReadDescription(std::string_view json, std::string_view version, Description* description) {
  if (json.size() > kDescriptionBytesMax)
    return NoDescription("it has " + std::to_string(json.size()) + " bytes, may have " +
                         std::to_string(kDescriptionBytesMax));
  // The parser skips a byte order mark and ends at a NUL byte; whoever reads the text elsewhere does not.
  const bool plain = json.starts_with('{') && json.find('\0') == json.npos;
  const Json object = plain ? Json::parse(json, nullptr, /*allow_exceptions=*/false) : Json();
  if (!object.is_object()) return NoDescription("it is no JSON object");
  description->name = TextField(object, "name");
  if (!IsFunctionName(description->name)) return NoDescription("its name is " + Shown(description->name));
  if (TextField(object, "version") != version)
    return NoDescription("its version is " + Shown(TextField(object, "version")) + ", the bundle's is " +
                         std::string(version));
  const auto limits = object.find("limits");
  if (limits == object.end() || !limits->is_object()) return NoDescription("it has no limits");
  for (const LimitField& limit : kLimitFields) {
    const auto value = limits->find(limit.name);
    const bool usable = value != limits->end() && value->is_number_unsigned() &&
                        value->get<uint64_t>() >= limit.min && value->get<uint64_t>() <= limit.max;
    if (!usable)
      return NoDescription(std::string("limits.") + limit.name + " must be a whole number from " +
                           std::to_string(limit.min) + " to " + std::to_string(limit.max));
    description->limits.*limit.field = value->get<uint32_t>();
  }
  return {};
}

}  // namespace locus
