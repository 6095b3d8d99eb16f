// Prints the CPU quota that cores.cc finds below the folder in its argument, or without one how many cores
// there are: see cores.test.ts.
#include "cores.h"

#include <cstdio>

int main(int argc, char** argv) {
  if (argc == 1) return std::printf("%u\n", locus::AvailableCores()) > 0 ? 0 : 1;
  if (argc != 2) return 2;
  const std::optional<double> quota = locus::CpuQuota(argv[1]);
  std::puts(quota ? std::to_string(*quota).c_str() : "none");
  return 0;
}
