// Prints the CPU quota that cores.cc finds below the folder in its argument: see cores.test.ts.
#include "cores.h"

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::optional<double> quota = locus::CpuQuota(argv[1]);
  std::puts(quota ? std::to_string(*quota).c_str() : "none");
  return locus::AvailableCores() >= 1 ? 0 : 1;
}
