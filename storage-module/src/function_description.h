// Reads a function's description (runtime/function/description.ts) as a sandbox host or a primary hands it
// over. It comes from a process that runs users' code: everything that the module acts on is checked here.
#pragma once

#include <string>
#include <string_view>

#include "reply.h"
#include "supervisor.h"

namespace locus {

/// Two schemas of 64 KiB and the rest: runtime/function/describe.ts bounds each part.
constexpr size_t kDescriptionBytesMax = 256 * 1024;
constexpr size_t kFunctionNameBytesMax = 64;

struct Description {
  std::string name;
  Limits limits;
};

/// A lower-case letter, then letters, digits, `_` and `-`: what stands after LOCUS.CALL.
bool IsFunctionName(std::string_view name);

/// A source map at the end (runtime/function/source-map.ts) is no code.
Failure CheckBundleBytes(std::string_view bundle);

/// `version` is that of the bundle, which the description must name as well.
Failure ReadDescription(std::string_view json, std::string_view version, Description* description);

}  // namespace locus
