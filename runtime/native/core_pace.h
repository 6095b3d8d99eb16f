// How quick a core is. A thread on its other half takes a third of it and more, and a machine that gets too warm, or whose power is limited, holds the clocks
// of all its cores down to a tenth for moments. Processor time goes on meanwhile, so that the same calls seem to have become dearer.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace locus {

/// A core's pace is looked at so often at most, ns: one look takes it 5 µs. Chosen: moments in which cores were slow lasted 50 to 100 ms.
constexpr int64_t kPaceEveryNs = 5'000'000;
/// What a look has told says nothing of a turn that ends so much later, ns: one is taken then, as it would be between turns.
constexpr int64_t kPaceStaleNs = 50'000'000;
/// What is usual becomes so many times (e) as long, ns, as long as no core is quicker: a machine that stays slow is so usually after a minute or two, by and by, so that no function's calls seem to be others all of a sudden. Chosen.
constexpr int64_t kPaceForgottenNs = 120'000'000'000;
/// A piece of work that takes more times as long is taken for one that takes so many.
constexpr double kSlowTimesMax = 16;

/// What a piece of work takes cores at best. Any thread.
class UsualPace {
 public:
  /// It took `took_ns`: how many times as long as usually calls take meanwhile, 1 to 8 (at `kSlowTimesMax`).
  double TimesOf(int64_t took_ns, int64_t now_ns);

 private:
  /// Logarithm of the least, ns, as it would have been at time 0 had what is usual grown since.
  std::atomic<double> least_{std::numeric_limits<double>::infinity()};
};

/// Of the cores that one thread runs on, one after the other, beside what is usual for all threads of this process.
class CorePace {
 public:
  /// Of the processor time of a turn that ends now, what it would not have taken at the usual pace, ns, seven eighths of it at most. Long turns are looked at once more, and any
  /// where the last look is old: by the pace right after it.
  uint64_t SlowedNs(int64_t cpu_ns, int64_t now_ns);
  /// Between turns, when what they came to has been sent: nobody waits for it. `now_ns`: when the last one ended.
  void Look(int64_t now_ns);

 private:
  int64_t looked_ns_ = -kPaceStaleNs;
  double slowed_part_ = 0;  ///< of processor time, when it was looked at last
};

}  // namespace locus
