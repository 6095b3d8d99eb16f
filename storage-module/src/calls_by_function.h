// How many calls of each function there are. The twin of `CallsByFunction` in compute/node/counted-side.ts.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace locus {

/// A count is kept when its function has no calls any more, while there are no more counts than this:
/// making one anew takes longer than counting.
constexpr size_t kCountsKept = 4'096;

class CallsByFunction {
 public:
  void Add(const std::string& function) { calls_[function]++; }
  /// One that was added.
  void Remove(const std::string& function) {
    if (--calls_.at(function) == 0 && calls_.size() > kCountsKept) calls_.erase(function);
  }
  uint32_t Of(const std::string& function) const {
    const auto found = calls_.find(function);
    return found == calls_.end() ? 0 : found->second;
  }

 private:
  std::unordered_map<std::string, uint32_t> calls_;
};

}  // namespace locus
