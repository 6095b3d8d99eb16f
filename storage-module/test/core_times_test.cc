#include "core_times.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bell.h"
#include "cores.h"
#include "tests.h"

namespace {

using locus::CoreTimes;
using locus::CoreTimesReader;

/// A directory with what the kernel tells, as a test has it; gone with this.
class Kernel {
 public:
  Kernel() {
    char path[] = "/tmp/core-times-XXXXXX";
    EXPECT(mkdtemp(path) != nullptr);
    root_ = path;
  }
  ~Kernel() { std::filesystem::remove_all(root_); }
  Kernel(const Kernel&) = delete;

  const std::string& root() const { return root_; }

  /// Of each core and of all, ticks.
  void TellCores(const std::string& idle, int cores = 1024) const {
    std::string text = "cpu  1 2 3 4 5 6 7 8 9 10\n";
    for (int core = 0; core < cores; core++)
      text += "cpu" + std::to_string(core) + " 900 800 700 " + idle + " 3 1 4 0 0 0\n";
    Write("/proc/stat", text + "intr 1 2 3\ncpu0 900 800 700 1 1 1 1\n");
  }
  void TellThread(pid_t process, const std::string& thread, const std::string& schedstat) const {
    Write("/proc/" + std::to_string(process) + "/task/" + thread + "/schedstat", schedstat + "\n");
  }

 private:
  void Write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
};

int64_t Cores() {
  const std::optional<cpu_set_t> allowed = locus::AllowedTo(0);
  return CPU_COUNT(&*allowed);
}

void CoresThatHostsMayUseAreAddedUp() {
  const Kernel kernel;
  kernel.TellCores("7");
  kernel.TellThread(getpid(), "11", "5000000 2000000 9");
  kernel.TellThread(getpid(), "12", "1 3000999 1");
  CoreTimesReader reader(kernel.root());
  const std::optional<CoreTimes> times = reader.Read({getpid()}, 77);
  EXPECT(times.has_value());
  if (!times) return;
  const int64_t tick_us = 1'000'000 / sysconf(_SC_CLK_TCK);
  EXPECT(times->cpus == Cores());
  EXPECT(times->idle_us == Cores() * 10 * tick_us);
  EXPECT(times->interrupts_us == Cores() * 5 * tick_us);
  EXPECT(times->hosts_waited_us == 5'000);
  EXPECT(times->hosts_us == 77);
  EXPECT(times->redis_us > 0);
  EXPECT(times->clock_us > 0);
}

void NothingIsToldWhereTheKernelDoesNot() {
  const Kernel kernel;
  const auto read = [&](std::vector<pid_t> hosts) { return CoreTimesReader(kernel.root()).Read(hosts, 0); };
  EXPECT(!read({getpid()}));
  kernel.TellThread(getpid(), "11", "1 1 1");
  EXPECT(!read({getpid()}));
  kernel.TellCores("7", 0);
  EXPECT(!read({getpid()}));
  kernel.TellCores("7");
  EXPECT(read({getpid()}).has_value());
  kernel.TellThread(getpid(), "11", "not counted");
  EXPECT(!read({getpid()}));
}

void WithoutHostsThereAreCoresAllTheSame() {
  const Kernel kernel;
  kernel.TellCores("7");
  kernel.TellThread(getpid(), "11", "1 1000 1");
  constexpr pid_t kGone = 0x7fffffff;
  for (const std::vector<pid_t>& hosts : {std::vector<pid_t>{}, {kGone}, {kGone, getpid()}}) {
    CoreTimesReader reader(kernel.root());
    const std::optional<CoreTimes> times = reader.Read(hosts, 5);
    EXPECT(times && times->cpus == Cores() && times->hosts_us == 5);
    EXPECT(times && times->hosts_waited_us == (hosts.size() == 2 ? 1 : 0));
  }
}

void OfManyThreadsEachIsReadInItsTurn() {
  const Kernel kernel;
  kernel.TellCores("7");
  for (int thread = 0; thread < 100; thread++) kernel.TellThread(getpid(), std::to_string(thread), "1 1000 1");
  CoreTimesReader reader(kernel.root());
  std::optional<CoreTimes> times = reader.Read({getpid()}, 0);
  EXPECT(times && times->hosts_waited_us == 64);
  for (int tries = 0; tries < 1'000 && times && times->hosts_waited_us < 100; tries++) {
    usleep(10'000);
    times = reader.Read({getpid()}, 0);
  }
  EXPECT(times && times->hosts_waited_us == 100);
}

void ReadingTakesAThousandthOfTheTimeAtMost() {
  const Kernel kernel;
  kernel.TellCores("7");
  kernel.TellThread(getpid(), "11", "1 1000 1");
  CoreTimesReader reader(kernel.root());
  const int64_t began_ns = locus::NowNs();
  const std::optional<CoreTimes> first = reader.Read({getpid()}, 1);
  const int64_t took_ns = locus::NowNs() - began_ns;
  kernel.TellThread(getpid(), "11", "1 9000 1");
  std::optional<CoreTimes> next = reader.Read({getpid()}, 2);
  // A machine that stood still in between has let the time pass.
  const bool is_soon = locus::NowNs() - began_ns < 100 * took_ns;
  EXPECT(first && next && (!is_soon || next->hosts_us == 1));
  // A file of a thousand cores takes a fraction of a millisecond to read.
  for (int tries = 0; tries < 1'000 && next && next->hosts_us == 1; tries++) {
    usleep(10'000);
    next = reader.Read({getpid()}, 2);
  }
  EXPECT(next && next->hosts_us == 2 && next->hosts_waited_us == 9 && next->clock_us > first->clock_us);
}

}  // namespace

void TestCoreTimes() {
  CoresThatHostsMayUseAreAddedUp();
  NothingIsToldWhereTheKernelDoesNot();
  WithoutHostsThereAreCoresAllTheSame();
  OfManyThreadsEachIsReadInItsTurn();
  ReadingTakesAThousandthOfTheTimeAtMost();
}
