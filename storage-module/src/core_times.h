// What became of the time of the cores beside Redis: by it a node that controls sees whether others keep sandbox
// hosts from the cores that these want.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace locus {

/// All of one moment. Each but the clock counts on while the machine, Redis or its hosts last, µs.
struct CoreTimes {
  uint64_t clock_us = 0;         ///< as NowNs()
  uint32_t cpus = 0;             ///< that hosts may run on
  uint64_t idle_us = 0;          ///< of these together, to within 10 ms of each
  uint64_t interrupts_us = 0;    ///< of these: the kernel's, for nobody
  uint64_t redis_us = 0;         ///< CPU time of this process
  uint64_t hosts_us = 0;         ///< of all hosts that there are and were
  uint64_t hosts_waited_us = 0;  ///< that threads of the hosts there are were ready to run and had no core
};

class CoreTimesReader {
 public:
  /// `root` stands before /proc.
  explicit CoreTimesReader(std::string root = "") : root_(std::move(root)) {}

  /// As they were read last, where reading takes more than a thousandth of the time since: of a machine of many
  /// cores the kernel has much to tell. While there are no hosts their cores are those that they had, or may have.
  /// None where the kernel does not tell.
  std::optional<CoreTimes> Read(const std::vector<pid_t>& hosts, uint64_t hosts_us);

 private:
  std::optional<CoreTimes> ReadAnew(const std::vector<pid_t>& hosts, uint64_t hosts_us);
  /// That the threads of a process have waited for a core, together. None where it is gone, or this is not counted.
  std::optional<int64_t> WaitedUs(pid_t process);

  std::string root_;
  std::optional<cpu_set_t> cores_;  ///< of hosts
  std::optional<CoreTimes> last_;
  int64_t next_ns_ = 0;
  /// By process and thread, as last read, µs.
  std::unordered_map<pid_t, std::unordered_map<std::string, int64_t>> waited_us_;
  size_t looks_ = 0;
};

}  // namespace locus
