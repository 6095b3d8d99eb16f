#include "wanted_users.h"

#include "tests.h"

namespace {

using locus::kWantedAgainNs;
using locus::kWantedUsersMax;
using locus::WantedUsers;

void AUserIsNewsOnceInEachDatabase() {
  WantedUsers wanted;
  EXPECT(wanted.Note("ada", 0, 1));
  EXPECT(!wanted.Note("ada", 0, 2));
  EXPECT(wanted.Note("ada", 1, 3));
  EXPECT(wanted.After(0, 3).size() == 2);
}

void WhoHasHeardHearsWhatCameAfter() {
  WantedUsers wanted;
  wanted.Note("ada", 0, 1);
  const uint64_t heard = wanted.last();
  EXPECT(wanted.After(heard, 1).empty());
  wanted.Note("bob", 0, 2);
  EXPECT(wanted.After(heard, 2).size() == 1 && wanted.After(heard, 2)[0]->user == "bob");
}

void AUserWhoIsStillWantedIsNewsAgainAfterAWhile() {
  WantedUsers wanted;
  wanted.Note("ada", 0, 1);
  const uint64_t heard = wanted.last();
  EXPECT(!wanted.Note("ada", 0, kWantedAgainNs));
  EXPECT(wanted.After(0, kWantedAgainNs + 1).empty());
  EXPECT(wanted.Note("ada", 0, kWantedAgainNs + 1));
  EXPECT(wanted.After(heard, kWantedAgainNs + 1).size() == 1);
}

void AUserForWhomANodeActedIsNewsWhenNoneDoesAnyMore() {
  WantedUsers wanted;
  wanted.Note("ada", 0, 1);
  wanted.Note("ada", 1, 1);
  wanted.Forget("ada", 0);
  EXPECT(wanted.After(0, 2).size() == 1 && wanted.After(0, 2)[0]->db == 1);
  EXPECT(wanted.Note("ada", 0, 2));
}

void TheLastAreKept() {
  WantedUsers wanted;
  for (int db = 0; db < 100; db++) EXPECT(wanted.Note("ada", db, 1));
  const auto kept = wanted.After(0, 1);
  EXPECT(kept.size() == kWantedUsersMax && kept.back()->db == 99);
}

}  // namespace

void TestWantedUsers() {
  AUserIsNewsOnceInEachDatabase();
  WhoHasHeardHearsWhatCameAfter();
  AUserWhoIsStillWantedIsNewsAgainAfterAWhile();
  AUserForWhomANodeActedIsNewsWhenNoneDoesAnyMore();
  TheLastAreKept();
}
