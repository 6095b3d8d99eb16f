// What an invocation had read when it was pushed back: its run elsewhere need not read it again. A read set is
// a `ReadSetHeader`, the commands as they were sent, and their replies (RESP); at most `kReadSetBytesMax` in all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lane.h"

namespace locus {

/// A read set as the second run uses it: each reply answers its command once.
class KnownReads {
 public:
  /// False unless it is a read set, with as many commands and replies as it says: nothing is known then.
  bool Read(std::string_view read_set);
  /// The first reply to that command that has not been taken; valid as long as this.
  std::optional<std::string_view> Take(std::string_view command);
  /// What was read before a write says nothing about what comes after it.
  void Forget();
  bool empty() const { return replies_.empty(); }

 private:
  bool ReadReplies();

  std::vector<char> bytes_;  ///< where the commands and replies lie
  /// By command; the next one to be taken is the last.
  std::unordered_map<std::string_view, std::vector<std::string_view>> replies_;
};

}  // namespace locus
