// The greatest of what was seen lately: in this stretch of time and the one before it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace locus {

class RecentMost {
 public:
  /// How long a stretch is. Chosen: long enough for whoever asks every few seconds to miss nothing.
  static constexpr int64_t kStretchNs = 10'000'000'000;

  void Note(uint64_t value, int64_t now_ns) {
    Turn(now_ns);
    present_ = std::max(present_, value);
  }
  uint64_t At(int64_t now_ns) {
    Turn(now_ns);
    return std::max(present_, past_);
  }

 private:
  void Turn(int64_t now_ns) {
    const int64_t since = now_ns - began_ns_;
    if (since < kStretchNs) return;
    past_ = since < 2 * kStretchNs ? present_ : 0;
    present_ = 0;
    began_ns_ = now_ns;
  }

  uint64_t present_ = 0;
  uint64_t past_ = 0;
  int64_t began_ns_ = 0;
};

}  // namespace locus
