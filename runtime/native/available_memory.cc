#include "available_memory.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>

#include "cgroups.h"

namespace locus {

uint64_t AvailableMemoryBytes(const std::string& root) {
  struct sysinfo machine = {};
  sysinfo(&machine);
  uint64_t least = uint64_t{machine.totalram} * machine.mem_unit;
  ForEachGroup(root, "memory", [&](const std::string& group, bool version_2) {
    uint64_t limit = 0;
    // Without a limit version 2 says "max", and version 1 more than there is.
    if (std::ifstream(group + (version_2 ? "/memory.max" : "/memory.limit_in_bytes")) >> limit && limit > 0)
      least = std::min(least, limit);
  });
  return least;
}

}  // namespace locus
