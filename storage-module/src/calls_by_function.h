// How many calls of each function there are: of the few that have any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace locus {

class CallsByFunction {
 public:
  void Add(const std::string& function) { calls_[function]++; }
  /// One that was added.
  void Remove(const std::string& function) {
    const auto found = calls_.find(function);
    if (--found->second == 0) calls_.erase(found);
  }
  uint32_t Of(const std::string& function) const {
    const auto found = calls_.find(function);
    return found == calls_.end() ? 0 : found->second;
  }
  /// Functions that have any.
  size_t size() const { return calls_.size(); }

 private:
  std::unordered_map<std::string, uint32_t> calls_;
};

}  // namespace locus
