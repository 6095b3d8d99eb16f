#include "function_news.h"

#include "json_text.h"

namespace locus {

namespace {

constexpr std::string_view kChannel = "locus:functions";

}  // namespace

void AnnounceFunction(RedisModuleCtx* context, std::string_view event, std::string_view name,
                      std::string_view version) {
  std::string json = "{";
  AppendJsonName(&json, "event");
  AppendJsonString(&json, event);
  if (!name.empty()) {
    AppendJsonName(&json, "function");
    AppendJsonString(&json, name);
  }
  if (!version.empty()) {
    AppendJsonName(&json, "version");
    AppendJsonString(&json, version);
  }
  json.push_back('}');
  RedisModuleString* channel = redis::CreateString(nullptr, kChannel.data(), kChannel.size());
  RedisModuleString* message = redis::CreateString(nullptr, json.data(), json.size());
  redis::PublishMessage(context, channel, message);
  redis::FreeString(nullptr, channel);
  redis::FreeString(nullptr, message);
}

}  // namespace locus
