// Prints, for each pair of arguments, how many times as long as usual calls take at `NOW_S` where the piece of work took `TOOK_NS` then: see
// core_pace.test.ts. Without any, what a second of turns of a millisecond was slowed, ns.
#include "core_pace.h"

#include <cstdio>
#include <cstdlib>

#include "bell.h"

int main(int argc, char** argv) {
  constexpr int64_t kSecond = 1'000'000'000;
  if (argc == 1) {
    locus::CorePace pace;
    uint64_t slowed_ns = 0;
    const int64_t until_ns = locus::NowNs() + kSecond;
    for (int64_t at_ns = locus::NowNs(); at_ns < until_ns;) {
      const int64_t from_ns = at_ns;
      while ((at_ns = locus::NowNs()) < from_ns + locus::kMs) continue;
      slowed_ns += pace.SlowedNs(at_ns - from_ns, at_ns);
      pace.Look(at_ns);
    }
    return std::printf("%llu\n", static_cast<unsigned long long>(slowed_ns)) > 0 ? 0 : 1;
  }
  locus::UsualPace pace;
  for (int at = 1; at + 1 < argc; at += 2)
    std::printf("%.3f\n", pace.TimesOf(std::atoll(argv[at]), std::atoll(argv[at + 1]) * kSecond));
  return 0;
}
