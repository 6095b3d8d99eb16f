// Redis' strings and its RDB, as far as the parts under test ask for them: the text of a string is the
// string.
#pragma once

#include <deque>
#include <string>

#include "redis_api.h"
#include "target.h"

/// Redis' own is opaque.
struct RedisModuleString {
  std::string text;
};

namespace locus {

inline int strings_held = 0;

inline void ServeStrings() {
  redis::StringPtrLen = [](const RedisModuleString* string, size_t* length) {
    *length = string->text.size();
    return string->text.data();
  };
  redis::FreeString = [](RedisModuleCtx*, RedisModuleString* string) {
    strings_held--;
    delete string;
  };
}

}  // namespace locus
