// What machine this is, which of its cores this process may use, and how many of them at once: by it a node
// sees whether it shares them with Redis, and how much there is to compute with.
#pragma once

#include <cstdint>
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

}  // namespace locus
