#include "cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "cgroups.h"

namespace locus {

namespace {

/// Of the group that owns the files below `group`: cpu.max holds "QUOTA PERIOD" or "max PERIOD".
std::optional<double> QuotaOfVersion2(const std::string& group) {
  std::ifstream file(group + "/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

/// The same in two files; a quota of -1 is none.
std::optional<double> QuotaOfVersion1(const std::string& group) {
  double quota = 0;
  double period = 0;
  if (!(std::ifstream(group + "/cpu.cfs_quota_us") >> quota) ||
      !(std::ifstream(group + "/cpu.cfs_period_us") >> period) || quota <= 0 || period <= 0)
    return std::nullopt;
  return quota / period;
}

uint32_t WithinQuota(uint32_t cores) {
  if (const std::optional<double> quota = CpuQuota(); quota && *quota < cores)
    cores = static_cast<uint32_t>(*quota);
  return std::max(cores, 1u);
}

}  // namespace

std::optional<double> CpuQuota(const std::string& root) {
  std::optional<double> smallest;
  const auto note = [&](std::optional<double> quota) {
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  };
  ForEachGroup(root, "cpu", [&](const std::string& group, bool version_2) {
    note(version_2 ? QuotaOfVersion2(group) : QuotaOfVersion1(group));
  });
  return smallest;
}

std::optional<cpu_set_t> AllowedTo(pid_t process) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(process, sizeof allowed, &allowed) != 0) return std::nullopt;
  return allowed;
}

uint32_t AvailableCores() {
  // The standard library counts those of the machine.
  const std::optional<cpu_set_t> allowed = AllowedTo(0);
  return WithinQuota(allowed ? CPU_COUNT(&*allowed) : std::thread::hardware_concurrency());
}

int32_t SpinnersOf(pid_t process) {
  const std::optional<cpu_set_t> own = AllowedTo(0);
  const std::optional<cpu_set_t> others = AllowedTo(process);
  if (!own || !others) return 0;
  cpu_set_t both;
  CPU_OR(&both, &*own, &*others);
  return std::min(CPU_COUNT(&*others), static_cast<int>(WithinQuota(CPU_COUNT(&both))) - 1);
}

}  // namespace locus
