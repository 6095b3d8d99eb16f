#include "codes.h"

namespace locus {

const char* CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
#define LOCUS_ERROR(code, redis, retry) \
  case Code::code:                      \
    return #code;
#include "error_codes.inc"
#undef LOCUS_ERROR
    case Code::kCount:
      break;
  }
  return "INTERNAL";
}

const char* CodeRedisPrefix(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
#define LOCUS_ERROR(code, redis, retry) \
  case Code::code:                      \
    return redis;
#include "error_codes.inc"
#undef LOCUS_ERROR
    case Code::kCount:
      break;
  }
  return "INTERNAL";
}

}  // namespace locus
