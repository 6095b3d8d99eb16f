// For whom calls could not be handed over, since no attached node acts for them: what nodes are told, so that
// one of them may (docs/storage-module.md, Calls that run on nodes). Main thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace locus {

/// Beyond it the one that was noted first is forgotten. Chosen, not measured, as the others are.
constexpr size_t kWantedUsersMax = 64;
/// A longer name is not told.
constexpr size_t kWantedUserBytesMax = 256;
/// After this a user whose calls still come is told anew: a node that could not act then may be able to now.
constexpr int64_t kWantedAgainNs = 10'000'000'000;

class WantedUsers {
 public:
  struct Wanted {
    uint64_t number = 0;  ///< greater than that of all before
    int64_t noted_ns = 0;
    std::string user;
    int db = 0;
  };

  /// Whether that is news.
  bool Note(std::string_view user, int db, int64_t now_ns) {
    ForgetOld(now_ns);
    if (user.size() > kWantedUserBytesMax) return false;
    for (const Wanted& wanted : wanted_)
      if (wanted.user == user && wanted.db == db) return false;
    if (wanted_.size() >= kWantedUsersMax) wanted_.pop_front();
    wanted_.push_back({++numbers_, now_ns, std::string(user), db});
    return true;
  }

  /// A node acts for the user now: once it does not any more, that is news again.
  void Forget(std::string_view user, int db) {
    std::erase_if(wanted_, [&](const Wanted& wanted) { return wanted.user == user && wanted.db == db; });
  }

  /// The greatest number there has been.
  uint64_t last() const { return numbers_; }

  /// What somebody has not heard who has heard of all up to `number`.
  std::vector<const Wanted*> After(uint64_t number, int64_t now_ns) {
    ForgetOld(now_ns);
    std::vector<const Wanted*> news;
    for (const Wanted& wanted : wanted_)
      if (wanted.number > number) news.push_back(&wanted);
    return news;
  }

 private:
  void ForgetOld(int64_t now_ns) {
    while (!wanted_.empty() && now_ns - wanted_.front().noted_ns >= kWantedAgainNs) wanted_.pop_front();
  }

  std::deque<Wanted> wanted_;  ///< in the order of their numbers
  uint64_t numbers_ = 0;
};

}  // namespace locus
