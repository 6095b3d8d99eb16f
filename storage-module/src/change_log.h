// The order in which the functions of this server changed. A reader that knows all changes up to one asks
// only for those after it. Each name is in the log once, with its latest change, so a log that is read from
// its beginning has all functions. Plain data, as the registry that it belongs to.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace locus {

/// Deletions that are kept. A reader that is further behind reads all functions again. Not sensitive.
constexpr size_t kDeletionsKept = 1'000;

class ChangeLog {
 public:
  /// Names by the number of their latest change. A name that the registry lacks was deleted.
  using Changes = std::map<uint64_t, std::string>;

  /// A log with another id: no cursor of an earlier one is valid in it.
  ChangeLog();

  void NoteInstalled(const std::string& name) { Note(name); }
  void NoteDeleted(const std::string& name);

  /// Says where a reader stands that knows all changes up to this one: `id-number`.
  std::string CursorAt(uint64_t number) const { return id_ + "-" + std::to_string(number); }
  /// The number in the cursor; 0, the beginning, unless all that changed after it is still known.
  uint64_t NumberOf(std::string_view cursor) const;
  const Changes& changes() const { return changes_; }

 private:
  void Note(const std::string& name);

  std::string id_;
  uint64_t last_ = 0;
  Changes changes_;
  std::unordered_map<std::string, uint64_t> numbers_;
  /// Numbers of deletions, the oldest first. A function that was installed again has left `changes_`.
  std::deque<uint64_t> deletions_;
  /// The latest deletion that is kept no more.
  uint64_t forgotten_ = 0;
};

}  // namespace locus
