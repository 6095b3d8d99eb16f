// What calls came to since somebody last asked, by function: sums only, so that recording a call costs a
// look-up and a dozen additions. The twin of runtime/profile/tally.ts, whose terms and buckets it has: a
// controller folds both alike, and test/storage-module/samples.test.ts holds the two together.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "supervisor.h"

namespace locus {

/// As TALLY_TERMS, BUCKETS and TALLIED_FUNCTIONS_MAX.
constexpr size_t kTallyTerms = 24;
constexpr size_t kTallyBuckets = 200;
constexpr size_t kTalliedFunctionsMax = 4'096;

/// How long a window lasts, from its first call, if it has come to so many tallies: `windowMsOf` in
/// runtime/profile/window-length.ts.
constexpr int64_t SampleWindowNs(size_t tallies) {
  return std::clamp<int64_t>(static_cast<int64_t>(tallies) * 250'000, 25'000'000, 350'000'000);
}

/// As `bucketOf` in runtime/profile/histogram.ts.
size_t TallyBucketOf(double us);

/// A mistake of the caller, refused before the function ran. It is no call of the function, as REFUSED in
/// tally.ts has it.
bool IsRefused(Code code);

class SampleTally {
 public:
  /// `elapsed_ns`: from admission to answer, as the caller's door saw it. `fixed`: it ran here whatever the plan
  /// says. Under a µs.
  void Record(std::string_view function, std::string_view version, Code code, const Usage& usage,
              int64_t elapsed_ns, bool fixed = false);
  bool empty() const { return functions_.empty() && untracked_ == 0; }
  /// Functions that were called.
  size_t size() const { return functions_.size(); }
  /// Appends `"untracked":n,"tallies":[…]`, with tallies as `take` of tally.ts has them, and begins anew.
  void Take(std::string* json);

 private:
  struct Sums {
    std::string version;
    uint64_t used = 0;   ///< number of the latest call
    uint64_t calls = 0;  ///< of any kind
    std::array<double, kTallyTerms> values = {};
    std::array<uint32_t, kTallyBuckets> elapsed = {};

    void Add(Code code, const Usage& usage, double elapsed_us, bool fixed);
    void Append(std::string* json, std::string_view function) const;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };

  /// The least recently called quarter makes room, so that one more function costs little on average.
  void MakeRoom();

  std::unordered_map<std::string, Sums, Hash, std::equal_to<>> functions_;
  uint64_t uses_ = 0;
  uint64_t untracked_ = 0;
};

}  // namespace locus
