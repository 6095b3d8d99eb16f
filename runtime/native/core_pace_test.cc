// Prints, for each pair of arguments, how many times as long as usual calls take at `NOW_S` where the piece of work took `TOOK_NS` then: see
// core_pace.test.ts. Without any, what turns were slowed, ns: one of 1 ms where nobody has looked yet, after a look, after one at a core that was quick then and is slow now, and long after that one; and after one, of 1 s and
// then of 1 ms.
#include "core_pace.h"

#include <cstdio>
#include <cstdlib>

#include "bell.h"

int main(int argc, char** argv) {
  constexpr int64_t kSecond = 1'000'000'000;
  if (argc == 1) {
    const int64_t now_ns = locus::NowNs();
    const int64_t last_ns = now_ns + locus::kPaceStaleNs - 1;
    locus::CorePace unlooked, slow, became_slow;
    became_slow.Look(now_ns);
    locus::CorePace turned_slow = became_slow;
    // A core was as quick as now a quarter of an hour later, when what is usual had long grown: now it is as slow as any is taken for.
    locus::CorePace().Look(now_ns + 900 * kSecond);
    slow.Look(now_ns);
    const uint64_t told_ns[] = {
        unlooked.SlowedNs(locus::kMs, now_ns),          slow.SlowedNs(locus::kMs, last_ns),
        became_slow.SlowedNs(locus::kMs, last_ns),      became_slow.SlowedNs(locus::kMs, last_ns + 1),
        turned_slow.SlowedNs(kSecond, last_ns),         turned_slow.SlowedNs(locus::kMs, last_ns),
    };
    for (const uint64_t told : told_ns) std::printf("%llu\n", static_cast<unsigned long long>(told));
    return 0;
  }
  locus::UsualPace pace;
  for (int at = 1; at + 1 < argc; at += 2)
    std::printf("%.3f\n", pace.TimesOf(std::atoll(argv[at]), std::atoll(argv[at + 1]) * kSecond));
  return 0;
}
