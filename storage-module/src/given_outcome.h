// What a node says became of a call (LOCUS.NODE GIVE). A node is trusted with more than a sandbox host, and
// yet it is another program on another machine: sizes and forms are checked before a caller or a counter gets
// to see them.
#pragma once

#include <string_view>

#include "reply.h"
#include "supervisor.h"

namespace locus {

/// Bytes of a usage.
constexpr size_t kUsageBytesMax = 4 * 1024;

/// `usage` as in runtime/profile/sample.ts; `result`: JSON text on one line.
Failure ReadGivenResult(std::string_view usage, std::string_view result, Outcome* outcome);
/// `error`: {"code", "message", "stack"}.
Failure ReadGivenError(std::string_view usage, std::string_view error, Outcome* outcome);

}  // namespace locus
