// The read cache by itself: what is found, and what is not any more. `rules`, one end after the other;
// `together`: two threads read what a third puts in and forgets, and find nothing that was forgotten before they
// looked, nor a torn reply; for ThreadSanitizer, which sees no fences: that these are right is argued in
// read_cache.cc. `liar`: what lies in the memory changes all the time, and a
// reader stays within its bounds; for AddressSanitizer, since races are the point.
#include "read_cache.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bell.h"
#include "expect.h"

namespace {

using locus::ReadCache;
using locus::ReadCacheView;

constexpr size_t kBytes = locus::kReadCacheBytesMin;
constexpr int64_t kNow = 1'000'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;

/// Appends what reader 1 finds.
bool FindReply(const ReadCacheView& view, const std::string& key, std::string* reply, uint32_t reader = 1,
               int64_t now = kNow) {
  const locus::SoughtKey sought(key);
  locus::FoundReply found;
  return view.Find(reader, sought, now, &found) && view.Copy(found, reply);
}

struct Ends {
  ReadCache cache;
  ReadCacheView view;

  Ends() {
    EXPECT(cache.Open(kBytes));
    EXPECT(view.Attach(cache.descriptor()).empty());
    cache.Allow(true);
  }
  /// What reader 1 finds; "-": nothing.
  std::string Find(const std::string& key, uint32_t reader = 1, int64_t now = kNow) const {
    std::string replies = "before";
    if (FindReply(view, key, &replies, reader, now)) return replies.substr(6);
    EXPECT(replies == "before");
    return "-";
  }
};

void WhatWasPutInIsFound() {
  Ends ends;
  EXPECT(ends.Find("k") == "-");
  for (const size_t bytes : {1, 7, 8, 9, 100, 5'000, 65'536}) {
    const std::string key(1 + bytes % 11, 'k');
    const std::string reply(bytes, 'v');
    ends.cache.Put(1, key, reply, kNow);
    EXPECT(ends.Find(key) == reply);
  }
  ends.cache.Put(1, "k", std::string(locus::kCachedReplyBytesMax + 1, 'v'), kNow);
  EXPECT(ends.Find("k") != std::string(locus::kCachedReplyBytesMax + 1, 'v'));
  ends.cache.Put(1, std::string(locus::kCachedKeyBytesMax + 1, 'k'), "v", kNow);
  EXPECT(ends.Find(std::string(locus::kCachedKeyBytesMax + 1, 'k')) == "-");
}

void ItIsItsReadersAlone() {
  Ends ends;
  ends.cache.Put(1, "k", "one", kNow);
  EXPECT(ends.Find("k", 2) == "-");
  ends.cache.Put(2, "k", "two", kNow);
  EXPECT(ends.Find("k", 1) == "one");
  EXPECT(ends.Find("k", 2) == "two");
  ends.cache.Forget("k");
  EXPECT(ends.Find("k", 1) == "-");
  EXPECT(ends.Find("k", 2) == "-");
}

void WhatChangedIsNotFound() {
  Ends ends;
  for (const char* key : {"a", "b", "c"}) ends.cache.Put(1, key, key, kNow);
  ends.cache.Forget("b");
  EXPECT(ends.Find("a") == "a" && ends.Find("b") == "-" && ends.Find("c") == "c");
  ends.cache.ForgetAll();
  EXPECT(ends.Find("a") == "-" && ends.Find("c") == "-");
  ends.cache.Put(1, "a", "again", kNow);
  EXPECT(ends.Find("a") == "again");
  ends.cache.Allow(false);
  EXPECT(ends.Find("a") == "-");
  ends.cache.Put(1, "a", "refused", kNow);
  ends.cache.Allow(true);
  EXPECT(ends.Find("a") == "-");
}

void WhileItIsSuspendedNothingIsFound() {
  Ends ends;
  for (const char* key : {"a", "b"}) ends.cache.Put(1, key, key, kNow);
  ends.cache.Suspend();
  EXPECT(ends.Find("a") == "-");
  EXPECT(!ends.cache.Wants(1, "a", kNow));
  ends.cache.Put(1, "c", "c", kNow);
  ends.cache.Forget("b");
  ends.cache.Resume();
  EXPECT(ends.Find("a") == "a" && ends.Find("b") == "-" && ends.Find("c") == "-");
  ends.cache.Suspend();
  ends.cache.ForgetAll();
  EXPECT(ends.Find("a") == "-");
  ends.cache.Resume();
  EXPECT(ends.Find("a") == "-");
}

void ItGrowsOld() {
  Ends ends;
  ends.cache.Put(1, "k", "v", kNow);
  EXPECT(ends.Find("k", 1, kNow + locus::kCachedReplyAgeNs - 1) == "v");
  EXPECT(ends.Find("k", 1, kNow + locus::kCachedReplyAgeNs) == "-");
  EXPECT(ends.Find("k", 1, kNow - 1) == "-");
}

void WhatIsAskedForOnceIsNotWanted() {
  Ends ends;
  EXPECT(!ends.cache.Wants(1, "k", kNow));
  EXPECT(ends.cache.Wants(1, "k", kNow));
  ends.cache.Put(1, "k", "v", kNow);
  // Again when its time is over; for another reader at once; and when it was forgotten.
  EXPECT(!ends.cache.Wants(1, "k", kNow + locus::kCachedReplyAgeNs - 1));
  EXPECT(ends.cache.Wants(1, "k", kNow + locus::kCachedReplyAgeNs));
  EXPECT(ends.cache.Wants(2, "k", kNow));
  ends.cache.Forget("k");
  EXPECT(ends.cache.Wants(1, "k", kNow));
}

// Many more keys than it has entries are asked for once each, and take nothing from those that are in use.
void AScanPushesNothingOut() {
  Ends ends;
  std::vector<std::string> used;
  for (int i = 0; i < 200; i++) used.push_back("used" + std::to_string(i));
  for (const std::string& key : used) ends.cache.Put(1, key, key, kNow);
  size_t there = 0;
  for (const std::string& key : used) there += ends.Find(key) == key ? 1 : 0;
  for (int i = 0; i < 100'000; i++) ends.cache.Wants(1, "scanned" + std::to_string(i), kNow);
  size_t left = 0;
  for (const std::string& key : used) left += ends.Find(key) == key ? 1 : 0;
  EXPECT(there > 190 && left == there);
}

// Many times as much as fits: the newest are there, the oldest are not, and nothing is found wrong.
void TheOldestMakeRoom() {
  Ends ends;
  const auto reply = [](int i) { return std::string(static_cast<size_t>(i % 3'000), 'v') + std::to_string(i); };
  constexpr int kPuts = 20'000;
  for (int i = 0; i < kPuts; i++) ends.cache.Put(1, std::to_string(i), reply(i), kNow);
  int there = 0;
  for (int i = 0; i < kPuts; i++) {
    const std::string found = ends.Find(std::to_string(i));
    EXPECT(found == "-" || found == reply(i));
    there += found == "-" ? 0 : 1;
  }
  EXPECT(ends.Find(std::to_string(kPuts - 1)) == reply(kPuts - 1));
  EXPECT(ends.Find("0") == "-");
  EXPECT(there > 300);
}

// What was found counts as what it was then, until others lie in its place; what came for the key since is another.
void WhatWasFoundIsCopiedUntilItIsOverwritten() {
  Ends ends;
  const locus::SoughtKey sought("k");
  locus::FoundReply first;
  locus::FoundReply second;
  ends.cache.Put(1, "k", "first", kNow);
  EXPECT(ends.view.Find(1, sought, kNow, &first) && first.bytes == 5);
  ends.cache.Forget("k");
  ends.cache.Put(1, "k", "other", kNow);
  EXPECT(ends.view.Find(1, sought, kNow, &second) && second.position != first.position);
  ends.cache.ForgetAll();
  ends.cache.Suspend();
  std::string replies = "before";
  EXPECT(ends.view.Copy(first, &replies) && ends.view.Copy(second, &replies));
  EXPECT(replies == "beforefirstother");
  ends.cache.Resume();
  const std::string filler(locus::kCachedReplyBytesMax, 'v');
  for (size_t bytes = 0; bytes < kBytes; bytes += filler.size()) ends.cache.Put(1, "filler", filler, kNow);
  EXPECT(!ends.view.Copy(first, &replies) && !ends.view.Copy(second, &replies));
  EXPECT(replies == "beforefirstother");
}

void NobodyElseCanWrite() {
  Ends ends;
  void* writable = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, ends.cache.descriptor(), 0);
  EXPECT(writable == MAP_FAILED);
  void* readable = mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, ends.cache.descriptor(), 0);
  EXPECT(readable != MAP_FAILED);
  EXPECT(mprotect(readable, kBytes, PROT_READ | PROT_WRITE) != 0);
  EXPECT(ftruncate(ends.cache.descriptor(), 0) != 0);
  munmap(readable, kBytes);
  const locus::Descriptor unsealed(memfd_create("unsealed", 0));
  EXPECT(ftruncate(unsealed.get(), kBytes) == 0);
  EXPECT(!ReadCacheView().Attach(unsealed.get()).empty());
}

constexpr int kKeys = 8;

/// All bytes of a reply follow from its first number.
std::string ReplyOf(uint64_t number) {
  std::string reply = std::to_string(number) + ":";
  reply.append(50 + number * 37 % 2'000, static_cast<char>('a' + number % 26));
  return reply;
}

void NothingForgottenOrTornIsFound() {
  Ends ends;
  // The number that each key had when it was changed last: what is found afterwards is no older.
  std::atomic<uint64_t> changed[kKeys] = {};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> found{0};
  std::atomic<uint64_t> olds{0};
  std::atomic<uint64_t> wrong{0};
  const auto read = [&](unsigned seed) {
    std::minstd_rand random(seed);
    std::string reply;
    // By position: what was copied from there once is what is there whenever it is found again.
    std::unordered_map<uint64_t, uint64_t> numbers;
    // What was found a while ago is copied as it was, or not at all.
    std::array<std::pair<locus::FoundReply, uint64_t>, 512> former = {};
    size_t copied = 0;
    while (!over.load()) {
      const int key = static_cast<int>(random() % kKeys);
      const std::string name = "key" + std::to_string(key);
      const locus::SoughtKey sought(name);
      const uint64_t at_least = changed[key].load();
      locus::FoundReply place;
      if (!ends.view.Find(1, sought, kNow, &place)) continue;
      const auto known = numbers.find(place.position);
      if (known != numbers.end()) {
        found++;
        if (known->second < at_least) wrong++;
      }
      reply.clear();
      if (!ends.view.Copy(place, &reply)) continue;
      const uint64_t number = std::stoull(reply);
      found++;
      if (number < at_least || reply != ReplyOf(number)) wrong++;
      if (known != numbers.end() && known->second != number) wrong++;
      if (numbers.size() > 100'000) numbers.clear();
      numbers[place.position] = number;
      auto& [old, old_number] = former[copied++ % former.size()];
      reply.clear();
      if (old.position != 0 && ends.view.Copy(old, &reply)) {
        olds++;
        if (reply != ReplyOf(old_number)) wrong++;
      }
      old = place;
      old_number = number;
    }
  };
  std::thread one(read, 1);
  std::thread other(read, 2);
  std::minstd_rand random(3);
  const int64_t from = locus::NowNs();
  const auto is_enough = [&] {
    const int64_t passed = locus::NowNs() - from;
    return passed >= 30 * kSecond || (passed >= 2 * kSecond && found.load() > 1'000);
  };
  for (uint64_t number = 1; !is_enough(); number++) {
    const int key = static_cast<int>(random() % kKeys);
    const std::string name = "key" + std::to_string(key);
    // As Redis does it: the key changes, its replies are forgotten, the client is told.
    if (random() % 100 == 0) {
      ends.cache.ForgetAll();
    } else {
      ends.cache.Forget(name);
    }
    changed[key].store(number);
    ends.cache.Put(1, name, ReplyOf(number), kNow);
  }
  over.store(true);
  one.join();
  other.join();
  EXPECT(found.load() > 1'000);
  EXPECT(olds.load() > 0);
  EXPECT(wrong.load() == 0);
}

void ALiarIsReadWithinBounds() {
  // Memory that both may write, with the seals that a reader asks for.
  const locus::Descriptor file = locus::CreateSealedMemory("liar", kBytes);
  const locus::Mapping memory = locus::Mapping::Map(file.get(), 0, kBytes);
  Ends honest;
  constexpr int kKeys = 2'000;
  for (int i = 0; i < kKeys; i++) honest.cache.Put(1, "key" + std::to_string(i), ReplyOf(i), kNow);
  const locus::Mapping truth = locus::Mapping::MapForReading(honest.cache.descriptor(), kBytes);
  std::copy_n(truth.data(), kBytes, memory.data());
  ReadCacheView view;
  EXPECT(view.Attach(file.get()).empty());
  std::string reply;
  EXPECT(FindReply(view, "key" + std::to_string(kKeys - 1), &reply));
  // It lies ever more, and then begins again with the truth: of both there is always some.
  std::atomic<bool> over{false};
  std::thread liar([&] {
    std::minstd_rand random(5);
    for (uint64_t lies = 1; !over.load(); lies++) {
      memory.data()[random() % kBytes] = static_cast<uint8_t>(random());
      memory.data()[random() % 65'536] = static_cast<uint8_t>(random());
      if (lies % 65'536 == 0) std::copy_n(truth.data(), kBytes, memory.data());
    }
  });
  size_t found = 0;
  const int64_t until = locus::NowNs() + 30 * kSecond;
  for (int i = 0; i < 400'000 || (found == 0 && locus::NowNs() < until); i++) {
    reply.clear();
    if (FindReply(view, "key" + std::to_string(i % kKeys), &reply)) found++;
    EXPECT(reply.size() <= locus::kCachedReplyBytesMax);
  }
  over.store(true);
  liar.join();
  EXPECT(found > 0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "";
  if (which == "rules") {
    WhatWasPutInIsFound();
    ItIsItsReadersAlone();
    WhatChangedIsNotFound();
    WhileItIsSuspendedNothingIsFound();
    ItGrowsOld();
    WhatIsAskedForOnceIsNotWanted();
    AScanPushesNothingOut();
    TheOldestMakeRoom();
    WhatWasFoundIsCopiedUntilItIsOverwritten();
    NobodyElseCanWrite();
  } else if (which == "together") {
    NothingForgottenOrTornIsFound();
  } else if (which == "liar") {
    ALiarIsReadWithinBounds();
  } else {
    return 2;
  }
  return failures == 0 ? 0 : 1;
}
