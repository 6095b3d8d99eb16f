#include "get_shortcut.h"

#include "resp.h"

namespace locus {

namespace {

/// Strings longer than this are `raw` already: reading them in place does not re-encode them.
constexpr size_t kEmbeddedStringBytesMax = 44;

}  // namespace

bool GetShortcut::Run(RedisModuleCtx* context, RedisModuleUser* user, std::string_view key_name,
                      std::string* replies, std::optional<bool>* lasts) {
  if (!allowed_ || !expects_long_) return false;
  RedisModuleString* argv[] = {get_name_, redis::CreateString(nullptr, key_name.data(), key_name.size())};
  bool done = false;
  if (redis::ACLCheckCommandPermissions(user, argv, 2) == redis::kOk) {
    RedisModuleKey* key = redis::OpenKey(context, argv[1], redis::kKeyRead);
    if (key == nullptr) {
      replies->append("_\r\n");
      done = true;
    } else if (redis::KeyType(key) == redis::kKeyTypeString) {
      expects_long_ = redis::ValueLength(key) > kEmbeddedStringBytesMax;
      if (expects_long_) {
        size_t bytes = 0;
        const char* value = redis::StringDMA(key, &bytes, redis::kKeyRead);
        AppendBulk(replies, {value, bytes});
        *lasts = redis::GetExpire(key) == redis::kNoExpire;
        done = true;
      }
    }
    if (key != nullptr) redis::CloseKey(key);
  }
  redis::FreeString(nullptr, argv[1]);
  return done;
}

void GetShortcut::Learn(std::string_view reply) {
  // `$45\r\n`, the value, `\r\n`. A missing value is found missing without the command as well.
  expects_long_ = reply.size() > kEmbeddedStringBytesMax + 7 || reply.starts_with('_');
}

}  // namespace locus
