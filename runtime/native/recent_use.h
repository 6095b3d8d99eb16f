// How often functions were called lately. This decides whose isolate makes room for another one. It is remembered
// for functions without an isolate as well, of which the last used ones are kept.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

namespace locus {

/// Of one function version.
struct Use {
  /// After this time a call counts half. Chosen: calls of a minute ago say most about the next one.
  static constexpr double kHalfLifeNs = 60e9;

  double calls = 0;
  int64_t at_ns = 0;  ///< when `calls` was right
  /// What its last isolate took to open, and held; 0: not known.
  int64_t opening_ns = 0;
  uint64_t bytes = 0;

  double CallsAt(int64_t now_ns) const {
    return calls == 0 ? 0 : calls * std::exp2(static_cast<double>(at_ns - now_ns) / kHalfLifeNs);
  }
  void Count(int64_t now_ns) {
    calls = CallsAt(now_ns) + 1;
    at_ns = now_ns;
  }
};

/// Uses of functions that have no isolate now.
class RecentUses {
 public:
  /// Of this many at least; of twice as many at most.
  static constexpr size_t kRemembered = 8192;

  void Remember(const std::string& key, const Use& use) {
    recent_[key] = use;
    if (recent_.size() < kRemembered) return;
    older_ = std::move(recent_);
    recent_.clear();
  }
  /// What was remembered, and forgets it.
  Use Take(const std::string& key) {
    for (auto* uses : {&recent_, &older_}) {
      if (const auto entry = uses->extract(key)) return entry.mapped();
    }
    return {};
  }

 private:
  std::unordered_map<std::string, Use> recent_, older_;
};

}  // namespace locus
