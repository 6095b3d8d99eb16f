#include "core_times.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <memory>

#include "bell.h"
#include "cores.h"

namespace locus {

namespace {

/// Of the time, the part that reading may take.
constexpr int64_t kPart = 1'000;
/// Threads of a process that are read in one look, on Redis' thread: of more than that, each in turn.
constexpr size_t kThreadsPerLook = 64;
constexpr int64_t kUsPerSecond = 1'000'000;

uint64_t TimeUs(const timeval& time) { return time.tv_sec * kUsPerSecond + time.tv_usec; }

/// Cores, and what the kernel counts of them. False where it tells of none of these.
bool AddCores(const std::string& stat, const cpu_set_t& allowed, CoreTimes* times) {
  std::ifstream file(stat);
  const int64_t tick_us = kUsPerSecond / sysconf(_SC_CLK_TCK);
  // The lines of cores are the first ones; `cpu` alone is all of them together.
  for (std::string line; std::getline(file, line) && line.starts_with("cpu");) {
    if (line.size() < 4 || std::isdigit(static_cast<unsigned char>(line[3])) == 0) continue;
    unsigned cpu = 0;
    long long idle = 0, waiting = 0, interrupts = 0, softly = 0;
    if (std::sscanf(line.c_str(), "cpu%u %*d %*d %*d %lld %lld %lld %lld", &cpu, &idle, &waiting, &interrupts,
                    &softly) != 5)
      continue;
    if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) continue;
    times->cpus++;
    times->idle_us += (idle + waiting) * tick_us;
    times->interrupts_us += (interrupts + softly) * tick_us;
  }
  return times->cpus > 0;
}

}  // namespace

std::optional<CoreTimes> CoreTimesReader::Read(const std::vector<pid_t>& hosts, uint64_t hosts_us) {
  if (NowNs() < next_ns_) return last_;
  const int64_t began_ns = ThreadCpuNs();
  last_ = ReadAnew(hosts, hosts_us);
  next_ns_ = NowNs() + kPart * (ThreadCpuNs() - began_ns);
  return last_;
}

std::optional<int64_t> CoreTimesReader::WaitedUs(pid_t process) {
  const std::string tasks = root_ + "/proc/" + std::to_string(process) + "/task";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(tasks.c_str()), &closedir);
  if (!directory) return std::nullopt;
  std::vector<std::string> threads;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') threads.emplace_back(entry->d_name);
  }
  std::unordered_map<std::string, int64_t>& known = waited_us_[process];
  std::unordered_map<std::string, int64_t> now;
  const size_t first = looks_ * kThreadsPerLook;
  for (size_t index = 0; index < threads.size(); index++) {
    const std::string& thread = threads[(first + index) % threads.size()];
    int64_t ran_ns = 0, waited_ns = 0;
    if (index >= kThreadsPerLook) {
      if (const auto last = known.find(thread); last != known.end()) now.insert(*last);
    } else if (std::ifstream(tasks + "/" + thread + "/schedstat") >> ran_ns >> waited_ns) {
      // One that has ended meanwhile has nothing to tell.
      now[thread] = waited_ns / 1'000;
    }
  }
  known.swap(now);
  if (known.empty()) return std::nullopt;
  int64_t sum = 0;
  for (const auto& [thread, waited_us] : known) sum += waited_us;
  return sum;
}

std::optional<CoreTimes> CoreTimesReader::ReadAnew(const std::vector<pid_t>& hosts, uint64_t hosts_us) {
  CoreTimes times;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  looks_++;
  std::erase_if(waited_us_, [&](const auto& entry) { return std::ranges::find(hosts, entry.first) == hosts.end(); });
  bool there_are_some = false;
  for (const pid_t host : hosts) {
    const std::optional<cpu_set_t> cores = AllowedTo(host);
    // It may have ended meanwhile.
    if (!cores) continue;
    const std::optional<int64_t> waited_us = WaitedUs(host);
    if (!waited_us) return std::nullopt;
    CPU_OR(&allowed, &allowed, &*cores);
    times.hosts_waited_us += *waited_us;
    there_are_some = true;
  }
  if (there_are_some) cores_ = allowed;
  if (!cores_) cores_ = AllowedTo(0);
  rusage own = {};
  if (!cores_ || !AddCores(root_ + "/proc/stat", *cores_, &times)) return std::nullopt;
  if (getrusage(RUSAGE_SELF, &own) != 0) return std::nullopt;
  times.clock_us = NowNs() / 1'000;
  times.redis_us = TimeUs(own.ru_utime) + TimeUs(own.ru_stime);
  times.hosts_us = hosts_us;
  return times;
}

}  // namespace locus
