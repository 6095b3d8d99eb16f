#include "settings.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "available_memory.h"
#include "call_arguments.h"
#include "cores.h"
#include "lane.h"
#include "run_options.h"

namespace locus {

namespace {

/// Of the default: room for some dozen small functions.
constexpr int64_t kIsolateMemoryMbLeast = 64;
constexpr int64_t kLookUpEveryNs = 1'000'000'000;

struct NumberSetting {
  const char* name;
  int64_t Settings::*value;
  int64_t min;
  int64_t max;
  bool at_load_only;
};

constexpr NumberSetting kNumbers[] = {
    {"isolate-memory-mb", &Settings::isolate_memory_mb, 1, 1 << 20, true},
    {"spread", &Settings::spread, 1, kLanesMax - 1, true},
    {"queue-max", &Settings::queue_max, 1, 65'536, true},
    {"host-nice", &Settings::host_nice, 0, 19, true},
    {"read-cache-mb", &Settings::read_cache_mb, 0, 1'024, true},
    {"take-patience-ms", &Settings::take_patience_ms, 1, 60'000, false},
    {"trace-slower-than-us", &Settings::trace_slower_than_us, -1, kDeadlineMsMax * 1'000, false},
    {"lock-share-percent", &Settings::lock_share_percent, 1, 90, false},
    {"quantum-us", &Settings::quantum_us, 10, 10'000, false},
    {"spin-us", &Settings::spin_us, 0, 1'000, false},
};

struct PathSetting {
  const char* name;
  std::string Settings::*value;
};

/// At load only, like the paths.
struct Choice {
  const char* name;
  std::string Settings::*value;
  std::string_view among[3];
};

constexpr Choice kChoices[] = {
    {"confinement", &Settings::confinement, {"on", "required", "off"}},
};

/// At load only: whoever may set them decides what the server executes.
constexpr PathSetting kPaths[] = {
    {"launcher", &Settings::launcher},
    {"node", &Settings::node},
    {"host", &Settings::host},
};

struct Switch {
  const char* name;
  int64_t Settings::*value;
  bool at_load_only;
};

constexpr Switch kSwitches[] = {
    {"enabled", &Settings::enabled, false},
    {"get-shortcut", &Settings::get_shortcut, false},
    {"node-act", &Settings::node_act, true},
};

Failure Invalid(std::string message) {
  return {Code::CONFIG_INVALID, std::move(message)};
}

Failure Fixed(const char* name) {
  return Invalid(std::string(name) + " is fixed while Redis runs: set it after loadmodule");
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// The package that this library belongs to: it lies in a folder (build/) of the package's.
std::string PackageDirectory() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<void*>(&PackageDirectory), &info) == 0 || info.dli_fname == nullptr) return ".";
  return DirectoryOf(DirectoryOf(info.dli_fname));
}

}  // namespace

Settings Settings::Defaults() {
  Settings settings;
  const std::string package = PackageDirectory();
  settings.launcher = package + "/build/launcher";
  settings.node = package + "/node_modules/.bin/node";
  settings.host = package + "/build/host.mjs";
  settings.spread = std::clamp<int64_t>(AvailableCores(), 1, kLanesMax - 1);
  settings.isolate_memory_mb =
      std::clamp<int64_t>(static_cast<int64_t>(AvailableMemoryBytes() >> 20) / 8, kIsolateMemoryMbLeast, 1 << 20);
  return settings;
}

Failure Settings::ReadArguments(RedisModuleString** argv, int argc) {
  if (argc % 2 != 0) return Invalid("the module's arguments must be names and values in turn");
  Failure all;
  for (int i = 0; i < argc; i += 2) {
    const Failure failure = Assign(TextOf(argv[i]), TextOf(argv[i + 1]), /*at_load=*/true);
    if (!failure) continue;
    all.code = failure.code;
    all.message += (all.message.empty() ? "" : "; ") + failure.message;
  }
  return all;
}

Failure Settings::Set(std::string_view name, std::string_view value) {
  return Assign(name, value, /*at_load=*/false);
}

Failure Settings::Assign(std::string_view name, std::string_view value, bool at_load) {
  for (const NumberSetting& setting : kNumbers) {
    if (!IsWord(name, setting.name)) continue;
    if (setting.at_load_only && !at_load) return Fixed(setting.name);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < setting.min ||
        number > setting.max)
      return Invalid(std::string(setting.name) + " is " + Shown(value) + ", must be a whole number from " +
                     std::to_string(setting.min) + " to " + std::to_string(setting.max));
    this->*setting.value = number;
    return {};
  }
  for (const PathSetting& setting : kPaths) {
    if (!IsWord(name, setting.name)) continue;
    if (!at_load) return Fixed(setting.name);
    this->*setting.value = value;
    return {};
  }
  for (const Choice& setting : kChoices) {
    if (!IsWord(name, setting.name)) continue;
    if (!at_load) return Fixed(setting.name);
    const auto chosen = std::find_if(std::begin(setting.among), std::end(setting.among),
                                     [&](std::string_view choice) { return IsWord(value, choice); });
    if (chosen == std::end(setting.among))
      return Invalid(std::string(setting.name) + " is " + Shown(value) + ", must be on, required or off");
    this->*setting.value = *chosen;
    return {};
  }
  for (const Switch& setting : kSwitches) {
    if (!IsWord(name, setting.name)) continue;
    if (setting.at_load_only && !at_load) return Fixed(setting.name);
    if (!IsWord(value, "yes") && !IsWord(value, "no"))
      return Invalid(std::string(setting.name) + " is " + Shown(value) + ", must be yes or no");
    this->*setting.value = IsWord(value, "yes") ? 1 : 0;
    return {};
  }
  return Invalid("there is no setting " + Shown(name) + "; LOCUS.CONFIG GET * shows all");
}

std::vector<std::pair<std::string, std::string>> Settings::Match(const std::string& pattern) const {
  std::vector<std::pair<std::string, std::string>> matches;
  const auto offer = [&](const char* name, std::string value) {
    if (fnmatch(pattern.c_str(), name, FNM_CASEFOLD) == 0) matches.emplace_back(name, std::move(value));
  };
  for (const Switch& setting : kSwitches) offer(setting.name, this->*setting.value != 0 ? "yes" : "no");
  for (const NumberSetting& setting : kNumbers) offer(setting.name, std::to_string(this->*setting.value));
  for (const PathSetting& setting : kPaths) offer(setting.name, this->*setting.value);
  for (const Choice& setting : kChoices) offer(setting.name, this->*setting.value);
  return matches;
}

const std::string& Settings::MissingFile() {
  const int64_t now = NowNs();
  if (missing_looked_up_ns_ == 0 || now - missing_looked_up_ns_ > kLookUpEveryNs) {
    missing_file_ = FindMissingFile();
    missing_looked_up_ns_ = now;
  }
  return missing_file_;
}

std::string Settings::FindMissingFile() const {
  for (const std::string* path : {&launcher, &node}) {
    if (access(path->c_str(), X_OK) != 0) return *path + " is missing or may not be executed";
  }
  return access(host.c_str(), R_OK) == 0 ? "" : host + " is missing or may not be read";
}

}  // namespace locus
