#include "machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "cores.h"

namespace locus {

namespace {

constexpr char kCpus[] = "Cpus_allowed_list:";
constexpr int64_t kSecondUs = 1'000'000;

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first);
}

}  // namespace

Machine ThisMachine() {
  Machine machine;
  std::ifstream boot("/proc/sys/kernel/random/boot_id");
  std::getline(boot, machine.id);
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(kCpus, 0) == 0) machine.cpus = Trimmed(line.substr(sizeof kCpus - 1));
  }
  machine.cores = AvailableCores();
  return machine;
}

std::optional<int64_t> OthersCpuUs() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(getpid(), sizeof allowed, &allowed) != 0) return std::nullopt;
  std::optional<int64_t> ticks;
  std::ifstream stat("/proc/stat");
  // The lines of cores are the first ones; `cpu` alone is all of them.
  for (std::string line; std::getline(stat, line) && line.rfind("cpu", 0) == 0;) {
    unsigned cpu = 0;
    long long user = 0;
    if (std::sscanf(line.c_str(), "cpu%u %lld", &cpu, &user) != 2 || cpu >= CPU_SETSIZE) continue;
    if (CPU_ISSET(cpu, &allowed)) ticks = ticks.value_or(0) + user;
  }
  if (!ticks) return std::nullopt;
  const int64_t all = *ticks * (kSecondUs / sysconf(_SC_CLK_TCK));
  rusage own = {};
  // Where it is nice itself, the kernel has counted it with those that are.
  if (getpriority(PRIO_PROCESS, 0) > 0 || getrusage(RUSAGE_SELF, &own) != 0) return all;
  return all - own.ru_utime.tv_sec * kSecondUs - own.ru_utime.tv_usec;
}

}  // namespace locus
