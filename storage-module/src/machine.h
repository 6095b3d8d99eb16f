// What machine this is, which of its cores this process may use, and how many of them at once: by it a node
// sees whether it shares them with Redis, and how much there is to compute with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace locus {

struct Machine {
  /// The same for every process of one boot of one machine, in containers too. Empty where it cannot be read.
  std::string id;
  /// As the kernel writes it: `0-3,8`.
  std::string cpus;
  /// Fewer than those where a quota says so. At least 1.
  uint32_t cores = 1;
};

Machine ThisMachine();

/// What other processes have computed on the cores that this one may use, since the machine started, µs: their user
/// time, in steps of 10 ms. Those that are nice are left out, as sandbox hosts are where these give way to the others.
/// None where the kernel does not tell, as in some containers.
std::optional<int64_t> OthersCpuUs();

}  // namespace locus
