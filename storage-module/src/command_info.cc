// LOCUS.INFO, and the section `locus` of Redis' own INFO: the state of the module in `key:value` lines. Nodes
// read `module_version` and `protocol` here before they trust the rest of the conversation.
#include <cstdio>

#include "machine.h"
#include "module.h"

namespace locus {

namespace {

std::string Join(const std::vector<std::pair<const char*, uint64_t>>& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += (text.empty() ? "" : ",") + std::string(name) + "=" + std::to_string(count);
  return text;
}

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

/// What the cores did; nothing where it is not known.
std::string TimesOfCores(const ServiceThread::State& state) {
  std::vector<pid_t> hosts;
  for (const Supervisor::HostState& host : state.hosts) {
    if (host.pid > 0) hosts.push_back(host.pid);
  }
  const std::optional<CoreTimes> times = TheModule().core_times.Read(hosts, state.hosts_cpu_us);
  if (!times) return "";
  const std::vector<std::pair<const char*, uint64_t>> told = {
      {"clock_us", times->clock_us},
      {"cpus", times->cpus},
      {"idle_us", times->idle_us},
      {"interrupts_us", times->interrupts_us},
      {"redis_us", times->redis_us},
      {"hosts_us", times->hosts_us},
      {"hosts_waited_us", times->hosts_waited_us},
  };
  return Join(told);
}

std::string Decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

/// Why calls were not handed over though the plan said so.
std::vector<std::pair<const char*, uint64_t>> Reasons(const HandedCounters& counters) {
  constexpr const char* kNames[] = {"no_node", "user", "database", "full"};
  std::vector<std::pair<const char*, uint64_t>> reasons;
  for (size_t i = 0; i < counters.not_handed.size(); i++) {
    if (counters.not_handed[i] > 0) reasons.emplace_back(kNames[i], counters.not_handed[i]);
  }
  return reasons;
}

/// Calls `field(name, value)` for each line.
template <typename Field>
void ForEachField(Field&& field) {
  Module& module = TheModule();
  const ServiceThread::State state = module.service.state();
  const CallCounters calls = module.stats.totals();
  size_t bundle_bytes = 0;
  for (const auto& [name, versions] : module.registry.functions()) {
    for (const Deployment& deployment : versions) bundle_bytes += deployment.image->bundle.size();
  }
  const auto number = [&](const char* name, auto value) { field(name, std::to_string(value)); };

  field("module_version", kModuleVersion);
  number("protocol", kProtocol);
  const Machine machine = ThisMachine();
  field("machine", machine.id);
  field("cpus", machine.cpus);
  number("cores", machine.cores);
  number("isolates_max", module.service.isolates_max());
  field("enabled", module.settings.enabled != 0 ? "yes" : "no");
  number("functions", module.registry.functions().size());
  number("bundle_bytes", bundle_bytes);

  const Plan& plan = module.plan.plan();
  number("plan_version", plan.version);
  number("plan_functions", plan.placements.size());

  const Failure disabled = CheckEnabled();
  field("hosts_obstacle", OneLine(disabled.message));
  number("hosts", state.hosts.size());
  for (size_t i = 0; i < state.hosts.size(); i++) {
    const Supervisor::HostState& host = state.hosts[i];
    const std::string name = "host" + std::to_string(i);
    field(name.c_str(),
          "pid=" + std::to_string(host.pid) + ",state=" + host.state +
              ",isolates=" + std::to_string(host.isolates) + ",passing=" + std::to_string(host.passing) +
              ",in_flight=" + std::to_string(host.in_flight) + ",restarts=" + std::to_string(host.restarts) +
              ",resident_bytes=" + std::to_string(host.resident_bytes) +
              ",isolate_bytes=" + std::to_string(host.isolate_bytes) +
              ",cpu_us=" + std::to_string(host.cpu_us) + ",quarantine=" + (host.quarantine ? "yes" : "no"));
    field((name + "_last_end").c_str(), OneLine(host.last_end));
    field((name + "_about").c_str(), OneLine(host.about));
  }
  number("hosts_cpu_us", state.hosts_cpu_us);
  field("core_times", TimesOfCores(state));
  number("host_deaths", state.supervisor.deaths);
  number("hosts_killed_for_memory", state.supervisor.killed_for_memory);
  number("hosts_killed_for_time", state.supervisor.killed_for_time);
  field("functions_in_quarantine", Join(state.quarantined));
  number("quarantines", state.supervisor.quarantined);
  number("quarantines_left", state.supervisor.released);
  number("calls_run_again", state.supervisor.reruns);

  number("calls_in_flight", state.in_flight);
  number("calls_queued", state.calls.queued);
  number("calls_starting", state.calls.starting);
  number("calls_running", state.calls.running);
  number("calls_waiting", state.calls.waiting);
  number("calls", calls.calls);
  number("calls_done", calls.outcomes[0]);
  number("calls_failed", calls.errors());
  number("calls_pushed_back", calls.pushed_back);
  number("calls_let_stay", calls.let_stay);
  field("calls_failed_by_code", Join(calls.errors_by_code()));

  const AttachedNodes::State nodes = module.nodes.state();
  const HandedCounters& handed = nodes.counters;
  number("nodes_attached", nodes.nodes);
  number("calls_handed", handed.handed);
  number("calls_handed_waiting", nodes.waiting);
  number("calls_handed_taken", nodes.taken);
  number("calls_returned", handed.returned);
  number("calls_taken_back", handed.taken_back);
  number("calls_run_again_after_node", handed.run_again);
  number("calls_lost_with_node", handed.lost);
  number("calls_overdue_on_node", handed.overdue);
  field("calls_not_handed", Join(Reasons(handed)));

  number("read_cache_bytes", state.read_cache_bytes);
  field("read_cache_in_use", state.read_cache_in_use ? "yes" : "no");
  number("read_cache_hits", state.cached_operations);
  number("read_cache_known", state.known_operations);
  number("read_cache_kept", state.read_cache.kept);
  number("read_cache_forgotten", state.read_cache.forgotten);
  number("read_cache_forgot_all", state.read_cache.forgot_all);

  const KeyspaceCounters& keyspace = state.keyspace;
  number("rounds", keyspace.rounds);
  number("operations", keyspace.operations);
  number("operations_as_commands", keyspace.commands);
  number("operations_refused", keyspace.refused);
  number("writes_paused", keyspace.paused_writes);
  number("lock_holds", keyspace.holds);
  number("lock_holds_of_main_thread", keyspace.main_holds);
  number("lock_us", keyspace.lock_ns / 1000);
  number("lock_us_of_main_thread", keyspace.main_lock_ns / 1000);
  number("lock_hold_max_us", keyspace.hold_max_ns / 1000);
  field("lock_share", Decimal(state.lock_share));
}

}  // namespace

int CommandInfo(RedisModuleCtx* context, RedisModuleString**, int argc) {
  if (argc != 1) return redis::WrongArity(context);
  std::string text = "# locus\r\n";
  ForEachField([&](const char* name, const std::string& value) {
    text.append(name).append(":").append(value).append("\r\n");
  });
  return ReplyText(context, text);
}

void WriteInfoSection(RedisModuleInfoCtx* info, int for_crash_report) {
  // A crash may have happened with one of our locks held.
  if (for_crash_report != 0) return;
  if (redis::InfoAddSection(info, "") != redis::kOk) return;
  ForEachField([&](const char* name, const std::string& value) {
    redis::InfoAddFieldCString(info, name, value.c_str());
  });
}

}  // namespace locus
