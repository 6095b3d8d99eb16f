// How much memory this process and those beside it may have: the machine's, or less where a control group says so.
#pragma once

#include <cstdint>
#include <string>

namespace locus {

/// Bytes. `root` stands before /proc and /sys.
uint64_t AvailableMemoryBytes(const std::string& root = "");

}  // namespace locus
