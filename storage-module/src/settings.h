// The module's settings: one table with ranges, read from the module's arguments at load and, where that
// makes sense, changed with LOCUS.CONFIG SET. What runs takes its values from here (`Module::ApplySettings`).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis_api.h"
#include "reply.h"

namespace locus {

struct Settings {
  /// Where the parts of a sandbox host are. By default beside locus.so: it lies in build/ of the package.
  std::string launcher;
  std::string node;
  std::string host;
  /// What a sandbox host is confined by (docs/security.md): `on`, what the machine allows; `required`: no
  /// host without the filters for system calls; `off`: for measuring what it costs.
  std::string confinement = "on";
  /// 1: functions run here. 0: LOCUS.CALL is refused and no sandbox host runs; the registry stays.
  int64_t enabled = 1;
  /// Whether GET may go past MONITOR and the command statistics (get_shortcut.h).
  int64_t get_shortcut = 1;
  /// By how much sandbox hosts are nicer than Redis was when they started (nice(1)): on a core that both want
  /// Redis comes first. Measured: docs/decisions/0072.
  int64_t host_nice = 5;
  /// Memory for what functions have read lately (cached_reads.h), MiB. 0: none, and Redis sees every read.
  int64_t read_cache_mb = 16;
  /// Whether nodes may take on other users with LOCUS.NODE ACT. At load only, and no unless the operator says
  /// so: who may act may do all that any user may, and `+@all` has the right to it.
  int64_t node_act = 0;
  /// Memory of the isolates in a sandbox host, MiB. By default an eighth of the container's or the machine's.
  int64_t isolate_memory_mb = 256;
  /// Isolates of one function that are worth starting. By default the cores.
  int64_t spread = 2;
  /// Invocations that wait for an isolate, at most.
  int64_t queue_max = 1024;
  /// How long a call waits for its node to take it before it runs here after all, ms. Chosen, not measured.
  int64_t take_patience_ms = 100;
  /// Calls that took as long, µs, have a trace (traces.h), and those that failed or did not stay where they
  /// began. -1: none has; 0: all have. As SLOWLOG's default.
  int64_t trace_slower_than_us = 10'000;
  /// Of the global lock while clients wait, percent.
  int64_t lock_share_percent = 30;
  /// Lock time between two passes of the main thread, µs.
  int64_t quantum_us = 200;
  /// How long the service thread looks for work before it sleeps, µs. By default 0 on one core.
  int64_t spin_us = 50;

  /// With the defaults of this machine.
  static Settings Defaults();
  /// `name value` in turn, as after `loadmodule`.
  Failure ReadArguments(RedisModuleString** argv, int argc);
  /// Changes one while Redis runs.
  Failure Set(std::string_view name, std::string_view value);
  /// Those whose names match the pattern (as in CONFIG GET), with their values.
  std::vector<std::pair<std::string, std::string>> Match(const std::string& pattern) const;
  /// Isolates that one function may have where nobody says less.
  uint32_t function_isolates_max() const { return static_cast<uint32_t>(spread); }
  /// What stands in the way of starting a sandbox host; empty if nothing does. Every call asks: the file
  /// system is looked at once a second at most.
  const std::string& MissingFile();

 private:
  std::string FindMissingFile() const;

  std::string missing_file_;
  int64_t missing_looked_up_ns_ = 0;

  Failure Assign(std::string_view name, std::string_view value, bool at_load);
};

}  // namespace locus
