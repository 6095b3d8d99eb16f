// A function's version: derived from the bundle's bytes alone, so that whoever holds the same bundle names it
// alike (runtime/function/version.ts computes the same).
#pragma once

#include <string>
#include <string_view>

namespace locus {

constexpr size_t kVersionBytes = 16;

/// First 16 hex digits of the SHA-256 of the bundle.
std::string VersionOf(std::string_view bundle);

}  // namespace locus
