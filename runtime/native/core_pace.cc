#include "core_pace.h"

#include <algorithm>
#include <cmath>

#include "bell.h"

namespace locus {

namespace {

/// Of a piece of work: about a µs.
constexpr int kSteps = 700;
/// Of what the piece of work takes more, on a logarithmic scale, calls do so much: it keeps all of a core busy that a thread on its other half could have. Measured: sorting and copying, on two cores of a Xeon whose other halves were
/// others': 0.74, by which a core's pace told 0.92 of the variance of what that took in stretches of 25 ms.
constexpr double kToldPart = 0.75;

/// The compiler may not leave it out.
inline void Take(uint32_t& value) { asm volatile("" : "+r"(value)); }

/// To the value, if it is less: what it is then.
double Lower(std::atomic<double>* least, double value) {
  double seen = least->load(std::memory_order_relaxed);
  while (value < seen && !least->compare_exchange_weak(seen, value, std::memory_order_relaxed)) continue;
  return std::min(seen, value);
}

UsualPace process_pace;

/// How long the piece of work takes this core, ns: the least of three times, since something else may have the core meanwhile.
int64_t PieceOfWorkNs() {
  int64_t least_ns = INT64_MAX;
  uint32_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;
  for (int time = 0; time < 3; time++) {
    const int64_t from_ns = NowNs();
    for (int step = 0; step < kSteps; step++) {
      // Hardly any of it waits for what is before it.
      Take(a += b ^ 3);
      Take(b += c * 5);
      Take(c = (c << 1) ^ d);
      Take(d += 7);
      Take(e += f >> 3);
      Take(f ^= d);
    }
    least_ns = std::min(least_ns, NowNs() - from_ns);
  }
  return least_ns;
}

}  // namespace

double UsualPace::TimesOf(int64_t took_ns, int64_t now_ns) {
  const double grown = static_cast<double>(now_ns) / static_cast<double>(kPaceForgottenNs);
  const double took = std::log(static_cast<double>(std::max<int64_t>(1, took_ns))) - grown;
  return std::pow(std::min(std::exp(took - Lower(&least_, took)), kSlowTimesMax), kToldPart);
}

uint64_t CorePace::SlowedNs(int64_t cpu_ns, int64_t now_ns) {
  const bool is_told = now_ns - looked_ns_ < kPaceStaleNs;
  const double before = slowed_part_;
  if (!is_told || cpu_ns >= kPaceEveryNs) Look(now_ns);
  const double part = is_told ? (before + slowed_part_) / 2 : slowed_part_;
  return static_cast<uint64_t>(static_cast<double>(std::max<int64_t>(0, cpu_ns)) * part);
}

void CorePace::Look(int64_t now_ns) {
  if (now_ns - looked_ns_ < kPaceEveryNs) return;
  looked_ns_ = now_ns;
  slowed_part_ = 1 - 1 / process_pace.TimesOf(PieceOfWorkNs(), now_ns);
}

}  // namespace locus
