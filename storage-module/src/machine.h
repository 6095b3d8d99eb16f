// What machine this is and which of its cores this process may use: by it a node sees whether it shares
// them with Redis.
#pragma once

#include <string>

namespace locus {

struct Machine {
  /// The same for every process of one boot of one machine, in containers too. Empty where it cannot be read.
  std::string id;
  /// As the kernel writes it: `0-3,8`.
  std::string cpus;
};

Machine ThisMachine();

}  // namespace locus
