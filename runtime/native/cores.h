// How many cores this process may keep busy. A container's CPU quota counts: who spins beyond it is stopped
// by the kernel for the rest of the period, with all that runs beside it.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace locus {

/// Cores that a process may run on; 0: the thread that asks. None where it is gone, or the machine has more cores
/// than fit.
std::optional<cpu_set_t> AllowedTo(pid_t process);

/// Cores that this process may run on, or fewer where its quota is smaller (rounded down). At least 1.
uint32_t AvailableCores();

/// How many threads of `process` may spin for what this thread makes, so that this thread can still run: as
/// many as there are cores for `process`, less one where this thread has none besides. 0 where both have one
/// core together, or a quota of less than two.
int32_t SpinnersOf(pid_t process);

/// The smallest quota of this process' control groups (version 2 or 1) and of those around them, in cores;
/// none where nothing limits it. `root` stands before /proc and /sys.
std::optional<double> CpuQuota(const std::string& root = "");

}  // namespace locus
