// Prints, for each pair of arguments, how many times as long as usual calls take at `NOW_S` where the piece of work took `TOOK_NS` then: see
// core_pace.test.ts. Without any, of turns of 1 ms what they were slowed, ns, where nobody has looked yet, after a look, long after it, of one of 1 s then, after that, and of one of 1 s within which a core has become slow.
#include "core_pace.h"

#include <cstdio>
#include <cstdlib>

#include "bell.h"

int main(int argc, char** argv) {
  constexpr int64_t kSecond = 1'000'000'000;
  if (argc == 1) {
    const int64_t now_ns = locus::NowNs();
    locus::CorePace pace, other;
    const uint64_t unlooked_ns = pace.SlowedNs(locus::kMs, now_ns);
    other.Look(now_ns);
    // A core was as quick as now a quarter of an hour later, when what is usual had long grown: now it is as slow as any is taken for.
    locus::CorePace().Look(now_ns + 900 * kSecond);
    pace.Look(now_ns);
    const uint64_t looked_ns = pace.SlowedNs(locus::kMs, now_ns + locus::kPaceStaleNs - 1);
    const uint64_t stale_ns = pace.SlowedNs(locus::kMs, now_ns + locus::kPaceStaleNs);
    const uint64_t long_ns = pace.SlowedNs(kSecond, now_ns + locus::kPaceStaleNs);
    const uint64_t after_ns = pace.SlowedNs(locus::kMs, now_ns + locus::kPaceStaleNs);
    const uint64_t between_ns = other.SlowedNs(kSecond, now_ns + locus::kPaceStaleNs - 1);
    for (const uint64_t told : {unlooked_ns, looked_ns, stale_ns, long_ns, after_ns, between_ns})
      std::printf("%llu\n", static_cast<unsigned long long>(told));
    return 0;
  }
  locus::UsualPace pace;
  for (int at = 1; at + 1 < argc; at += 2)
    std::printf("%.3f\n", pace.TimesOf(std::atoll(argv[at]), std::atoll(argv[at + 1]) * kSecond));
  return 0;
}
