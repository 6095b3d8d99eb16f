#include "cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <thread>

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

/// The controllers of a line of /proc/self/cgroup, between its colons.
bool HasCpu(std::string_view controllers) {
  for (size_t start = 0; start <= controllers.size();) {
    const size_t end = std::min(controllers.find(',', start), controllers.size());
    if (controllers.substr(start, end - start) == "cpu") return true;
    start = end + 1;
  }
  return false;
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
  std::ifstream groups(root + "/proc/self/cgroup");
  // Lines of number:controllers:path; version 2 has the number 0 and no controllers.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = line.starts_with("0:") && controllers.empty();
    if (!version_2 && !HasCpu(controllers)) continue;
    const std::string mount = root + (version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu");
    // In a container the path may be the host's, which is not there: what is mounted then is its own group.
    for (std::string path = line.substr(second + 1); !path.empty(); path.resize(path.rfind('/')))
      note(version_2 ? QuotaOfVersion2(mount + path) : QuotaOfVersion1(mount + path));
    note(version_2 ? QuotaOfVersion2(mount) : QuotaOfVersion1(mount));
  }
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
