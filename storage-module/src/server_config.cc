#include "server_config.h"

namespace locus {

std::string ReadServerConfig(RedisModuleCtx* context, const char* name) {
  RedisModuleCallReply* reply = redis::Call(context, "CONFIG", "cc", "GET", name);
  if (reply == nullptr) return "";
  RedisModuleCallReply* element = redis::CallReplyArrayElement(reply, 1);
  size_t bytes = 0;
  const char* value = element == nullptr ? nullptr : redis::CallReplyStringPtr(element, &bytes);
  std::string text = value == nullptr ? "" : std::string(value, bytes);
  redis::FreeCallReply(reply);
  return text;
}

}  // namespace locus
