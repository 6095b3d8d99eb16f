#include "machine.h"

#include <fstream>

#include "cores.h"

namespace locus {

namespace {

constexpr char kCpus[] = "Cpus_allowed_list:";

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

}  // namespace locus
