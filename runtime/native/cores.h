// How many cores this process may keep busy. A container's CPU quota counts: who spins beyond it is stopped
// by the kernel for the rest of the period, with all that runs beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace locus {

/// Cores that this process may run on, or fewer where its quota is smaller (rounded down). At least 1.
uint32_t AvailableCores();

/// The smallest quota of this process' control groups (version 2 or 1) and of those around them, in cores;
/// none where nothing limits it. `root` stands before /proc and /sys.
std::optional<double> CpuQuota(const std::string& root = "");

}  // namespace locus
