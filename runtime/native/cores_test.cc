// Prints the CPU quota that cores.cc finds below the folder in its argument, without one how many cores
// there are, with a number how many threads of that process may spin: see cores.test.ts.
#include "cores.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc == 1) return std::printf("%u\n", locus::AvailableCores()) > 0 ? 0 : 1;
  if (argc != 2) return 2;
  if (const int process = std::atoi(argv[1]); process > 0)
    return std::printf("%d\n", locus::SpinnersOf(process)) > 0 ? 0 : 1;
  const std::optional<double> quota = locus::CpuQuota(argv[1]);
  std::puts(quota ? std::to_string(*quota).c_str() : "none");
  return 0;
}
