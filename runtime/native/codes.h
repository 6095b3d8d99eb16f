// The closed table of errors (runtime/errors.ts) in C++: the build writes the list.
#pragma once

#include <cstdint>

namespace locus {

/// Error codes by number: 0 is ok, then the table of runtime/errors.ts in its order.
enum class Code : uint32_t {
  kOk = 0,
#define LOCUS_ERROR(code, redis, retry) code,
#include "error_codes.inc"
#undef LOCUS_ERROR
  kCount
};
/// The code's name, as runtime/errors.ts has it.
const char* CodeName(Code code);
/// First word of a Redis error reply.
const char* CodeRedisPrefix(Code code);

}  // namespace locus
