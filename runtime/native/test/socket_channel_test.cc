// Isolates on threads of their own that share connections: each reads for the others, and hands the reading
// on. The other end answers every operation with its own number, and closes now and then, in the middle of a
// reply too. Every round ends once: with its replies in order, or with why it has none; and those of one
// invocation reach the other end, and end, in their order. And where an end that is played by hand holds
// writes back, everything else goes on.
#include "socket_channel.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "expect.h"

namespace {

using locus::Descriptor;
using locus::Replies;

constexpr uint32_t kConnections = 2;

/// One for each connection, as isolates share them.
class Bells {
 public:
  explicit Bells(uint32_t connections) {
    for (uint32_t number = 0; number < connections; number++) {
      bells_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      eventfds_.push_back(bells_.back().get());
    }
  }
  std::span<const int> eventfds() const { return eventfds_; }

 private:
  std::vector<Descriptor> bells_;
  std::vector<int> eventfds_;
};
constexpr uint32_t kIsolates = 4;
constexpr uint64_t kRoundsEach = 3'000;
constexpr uint32_t kOperationsMax = 20;
/// Of one isolate at once, and rounds of one of them.
constexpr uint64_t kInvocationsMax = 3;
constexpr uint32_t kRoundsMax = 6;
constexpr int64_t kPatienceNs = 20'000'000;
constexpr int64_t kLongNs = 10'000'000'000;

/// An operation is its number, always as long: in the lower bits which of its invocation's it is.
constexpr uint32_t kSerialBits = 10;
constexpr size_t kDigits = 16;
constexpr size_t kOperationBytes = 9 + kDigits + 2;

std::string OperationOf(uint64_t number) {
  const std::string digits = std::to_string(number);
  return "*1\r\n$" + std::to_string(kDigits) + "\r\n" + std::string(kDigits - digits.size(), '0') + digits +
         "\r\n";
}

uint64_t NumberOf(std::string_view operation) {
  return std::strtoull(std::string(operation.substr(9, kDigits)).c_str(), nullptr, 10);
}

std::string ReplyTo(std::string_view operation) {
  return ":" + std::to_string(NumberOf(operation)) + "\r\n";
}

/// Operations of an invocation come one after another, whichever connections they take.
class OrderOfArrival {
 public:
  void Note(uint64_t number) {
    const std::lock_guard lock(mutex_);
    uint64_t& last = last_[number >> kSerialBits];
    EXPECT(last < number);
    last = number;
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> last_;  ///< by invocation
};

/// What connects, answers, and hangs up.
class OtherEnd {
 public:
  OtherEnd()
      : pool_(kConnections, [this](uint32_t index, const std::string&) { Want(index); }),
        opener_([this] { OpenWanted(); }) {
    for (uint32_t index = 0; index < kConnections; index++) Want(index);
  }

  /// When no isolate is there any more: whoever answers sees its connection close.
  ~OtherEnd() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    opener_.join();
    for (const int fd : ends_) shutdown(fd, SHUT_RDWR);
    for (std::thread& answering : answering_) answering.join();
    for (const int fd : ends_) close(fd);
  }

  locus::ConnectionPool& pool() { return pool_; }

 private:
  // With the connection's own lock held.
  void Want(uint32_t index) {
    {
      const std::lock_guard lock(mutex_);
      wanted_.push_back(index);
    }
    changed_.notify_one();
  }

  void OpenWanted() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return over_ || !wanted_.empty(); });
      if (over_) return;
      const uint32_t index = wanted_.back();
      wanted_.pop_back();
      lock.unlock();
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
      ends_.push_back(pair[1]);
      answering_.emplace_back([this, index, fd = pair[1], seed = static_cast<uint32_t>(ends_.size())] {
        AnswerAll(fd, seed);
        shutdown(fd, SHUT_RDWR);
        pool_.NoteHangUp(index);
      });
      pool_.Adopt(index, Descriptor(pair[0]), nullptr);
      lock.lock();
    }
  }

  void AnswerAll(int fd, uint32_t seed) {
    std::minstd_rand random(seed);
    random.discard(3);
    std::string asked;
    for (uint32_t left = 200 + static_cast<uint32_t>(random() % 4'000); left > 0;) {
      char chunk[512];
      const ssize_t bytes = read(fd, chunk, 1 + random() % sizeof chunk);
      if (bytes <= 0) return;
      asked.append(chunk, static_cast<size_t>(bytes));
      std::string replies;
      for (; left > 0 && asked.size() >= kOperationBytes; left--) {
        arrived_.Note(NumberOf(asked));
        replies += ReplyTo(asked);
        asked.erase(0, kOperationBytes);
      }
      if (left == 0) replies.resize(replies.size() - random() % 4);
      for (size_t sent = 0; sent < replies.size();) {
        const ssize_t written = send(fd, replies.data() + sent, replies.size() - sent, MSG_NOSIGNAL);
        if (written <= 0) return;
        sent += static_cast<size_t>(written);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint32_t> wanted_;
  bool over_ = false;
  OrderOfArrival arrived_;
  std::vector<int> ends_;
  std::vector<std::thread> answering_;
  locus::ConnectionPool pool_;
  std::thread opener_;
};

struct Count {
  uint64_t answered = 0;
  uint64_t failed = 0;
};

class Isolate {
 public:
  Isolate(locus::ConnectionPool* pool, std::span<const int> eventfds, uint64_t index)
      : pool_(pool), eventfds_(eventfds), next_invocation_(index << 32), random_(index + 1) {}

  Count Run() {
    // Now and then another takes its place, with rounds of the former still out.
    for (uint64_t sent = 0; sent < kRoundsEach;) {
      locus::SocketChannel channel(pool_, &bell_, eventfds_);
      under_way_.clear();
      const uint64_t until = sent + 1 + random_() % (kRoundsEach / 4);
      while (sent < std::min(until, kRoundsEach)) {
        for (uint64_t more = 1 + random_() % 3; more > 0; more--, sent++) Send(channel);
        while (out() > 4) Wait(channel);
      }
      if (sent >= kRoundsEach) {
        while (out() > 0) Wait(channel);
      }
    }
    return count_;
  }

 private:
  struct Out {
    uint32_t round = 0;
    uint64_t next = 0;  ///< the number that its next reply has
    uint64_t end = 0;
  };
  struct Invocation {
    uint32_t rounds = 0;  ///< that were sent
    uint64_t next = 0;    ///< the number of its next operation
    std::deque<Out> out;
  };

  uint64_t out() const {
    uint64_t rounds = 0;
    for (const auto& [id, invocation] : under_way_) rounds += invocation.out.size();
    return rounds;
  }

  /// One that has not sent all of its rounds, or another.
  uint64_t Pick() {
    std::erase_if(under_way_, [](const auto& entry) {
      return entry.second.rounds == kRoundsMax && entry.second.out.empty();
    });
    auto picked = under_way_.begin();
    std::advance(picked, random_() % (kInvocationsMax + 1) % (under_way_.size() + 1));
    if (picked != under_way_.end() && picked->second.rounds < kRoundsMax) return picked->first;
    const uint64_t id = ++next_invocation_;
    under_way_[id].next = (id << kSerialBits) + 1;
    return id;
  }

  void Send(locus::SocketChannel& channel) {
    const uint64_t id = Pick();
    Invocation& invocation = under_way_[id];
    const uint32_t operations = 1 + static_cast<uint32_t>(random_() % kOperationsMax);
    std::string commands;
    Out out{invocation.rounds++, invocation.next, invocation.next + operations};
    for (; invocation.next < out.end; invocation.next++) commands += OperationOf(invocation.next);
    invocation.out.push_back(out);
    channel.Send({id, out.round, operations, random_() % 4 == 0, commands});
  }

  void Wait(locus::SocketChannel& channel) {
    if (!channel.Receive([this](const Replies& replies) { Take(replies); }))
      channel.Sleep(locus::NowNs() + kPatienceNs, [] { return false; });
  }

  void Take(const Replies& replies) {
    const auto found = under_way_.find(replies.invocation);
    const bool is_next = found != under_way_.end() && !found->second.out.empty() &&
                         found->second.out.front().round == replies.round;
    EXPECT(is_next);
    if (!is_next) std::abort();
    std::deque<Out>& rounds = found->second.out;
    if (replies.failure != locus::Code::kOk) {
      count_.failed++;
      rounds.pop_front();
      return;
    }
    std::string expected;
    Out& out = rounds.front();
    for (uint32_t i = 0; i < replies.count; i++) expected += ReplyTo(OperationOf(out.next++));
    EXPECT(replies.bytes == expected && out.next <= out.end);
    if (replies.bytes != expected) std::abort();
    if (out.next < out.end) return;
    count_.answered++;
    rounds.pop_front();
  }

  locus::ConnectionPool* const pool_;
  const std::span<const int> eventfds_;
  uint64_t next_invocation_;
  std::minstd_rand random_;
  locus::BellWord bell_ = {};
  std::map<uint64_t, Invocation> under_way_;
  Count count_;
};

void EveryRoundEndsOnce() {
  const Bells bells(kConnections);
  OtherEnd other_end;
  std::atomic<uint64_t> answered{0}, failed{0};
  std::vector<std::thread> isolates;
  for (uint64_t index = 0; index < kIsolates; index++)
    isolates.emplace_back([&, index] {
      const Count count = Isolate(&other_end.pool(), bells.eventfds(), index).Run();
      answered += count.answered;
      failed += count.failed;
    });
  for (std::thread& isolate : isolates) isolate.join();
  // It did hang up, and did answer most of the time.
  EXPECT(failed > 0 && answered > kIsolates * kRoundsEach / 2);
}

constexpr bool kReads = false;
constexpr bool kWrites = true;

/// Connections whose other ends are played by hand, and the one isolate that tells what it was answered.
class Played {
 public:
  explicit Played(uint32_t connections) : bells_(connections), pool_(connections, [](uint32_t, const std::string&) {}) {
    for (uint32_t index = 0; index < connections; index++) {
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) std::abort();
      ends_.emplace_back(pair[1]);
      pool_.Adopt(index, Descriptor(pair[0]), nullptr);
    }
  }

  /// An isolate on this thread.
  struct Side {
    explicit Side(Played* played)
        : channel(&played->pool_, &bell, played->bells_.eventfds()), eventfds(played->bells_.eventfds()) {}
    void Send(uint64_t invocation, uint32_t number, bool writes) {
      channel.Send({invocation, number, 1, writes, OperationOf(invocation * 10 + number)});
    }
    /// The rounds that were answered or failed until the next `Sleep` would last: `invocation * 10 + number`.
    std::vector<uint64_t> Take() {
      std::vector<uint64_t> ended;
      const auto take = [&](const Replies& replies) {
        ended.push_back(replies.invocation * 10 + replies.round);
      };
      for (bool slept = false; channel.Receive(take) || !std::exchange(slept, true);)
        channel.Sleep(locus::NowNs() + kPatienceNs, [] { return false; });
      return ended;
    }

    locus::BellWord bell = {};
    locus::SocketChannel channel;
    const std::span<const int> eventfds;
  };

  /// What has come there since it was last asked, in order.
  std::vector<uint64_t> Asked(size_t index) {
    std::vector<uint64_t> asked;
    char operation[kOperationBytes];
    while (read(ends_[index].get(), operation, sizeof operation) == sizeof operation)
      asked.push_back(std::strtoull(std::string(operation + 9, kDigits).c_str(), nullptr, 10));
    return asked;
  }
  void Answer(size_t index, uint64_t number) {
    const std::string reply = ReplyTo(OperationOf(number));
    if (write(ends_[index].get(), reply.data(), reply.size()) < 0) std::abort();
  }

 private:
  std::vector<Descriptor> ends_;
  const Bells bells_;
  locus::ConnectionPool pool_;
};

using Numbers = std::vector<uint64_t>;

void ReadsGoOnWhileMoreWritesWaitThanThereAreConnections() {
  Played played(3);
  Played::Side one(&played), other(&played);
  for (const uint64_t invocation : {1, 2, 3}) one.Send(invocation, 0, kWrites);
  for (const uint64_t invocation : {4, 5, 6}) other.Send(invocation, 0, kWrites);
  EXPECT(played.Asked(0).size() + played.Asked(1).size() == 6);
  for (uint32_t round = 0; round < 3; round++) {
    one.Send(7, round, kReads);
    other.Send(8, round, kReads);
    EXPECT((played.Asked(2) == Numbers{70 + round, 80 + round}));
    played.Answer(2, 70 + round);
    played.Answer(2, 80 + round);
    // Whoever comes first reads for both.
    EXPECT(one.Take() == Numbers{70 + round});
    EXPECT(other.Take() == Numbers{80 + round});
  }
}

void AnInvocationKeepsItsOrder() {
  Played played(2);
  Played::Side side(&played);
  side.Send(1, 0, kWrites);
  side.Send(1, 1, kReads);
  EXPECT((played.Asked(0) == Numbers{10, 11}));
  // Where it may only read, its write waits for what it has read there, and what follows waits with it.
  side.Send(2, 0, kReads);
  side.Send(2, 1, kWrites);
  side.Send(2, 2, kReads);
  side.Send(3, 0, kReads);
  EXPECT((played.Asked(1) == Numbers{20, 30}));
  EXPECT(side.Take().empty());
  EXPECT(played.Asked(0).empty());
  played.Answer(1, 20);
  EXPECT(side.Take() == Numbers{20});
  EXPECT((played.Asked(0) == Numbers{21, 22}));
  played.Answer(1, 30);
  for (const uint64_t number : {10, 11, 21, 22}) played.Answer(0, number);
  EXPECT(side.Take().size() == 5);
}

void AReadIsNotFollowedToWhereAnothersWriteHasCome() {
  Played played(2);
  Played::Side side(&played);
  side.Send(1, 0, kReads);
  side.Send(2, 0, kWrites);
  side.Send(1, 1, kReads);
  EXPECT((played.Asked(0) == Numbers{10, 20}));
  played.Answer(0, 10);
  EXPECT(side.Take() == Numbers{10});
  EXPECT(played.Asked(1) == Numbers{11});
}

void WhatIsForgottenIsNotSent() {
  Played played(2);
  Played::Side side(&played);
  side.Send(1, 0, kWrites);
  side.Send(2, 0, kReads);
  side.Send(2, 1, kWrites);
  side.channel.Forget(2);
  EXPECT((played.Asked(1) == Numbers{20}));
  played.Answer(1, 20);
  EXPECT(side.Take() == Numbers{20});
  EXPECT(played.Asked(0) == Numbers{10});
}

void AWriteThatIsAnsweredWhenItsIsolateHasGoneKeepsNothingAway() {
  Played played(2);
  {
    Played::Side gone(&played);
    gone.Send(1, 0, kWrites);
  }
  EXPECT(played.Asked(0) == Numbers{10});
  Played::Side side(&played);
  side.Send(2, 0, kReads);
  EXPECT(played.Asked(1) == Numbers{20});
  played.Answer(0, 10);
  Played::Side next(&played);
  next.Send(3, 0, kReads);
  EXPECT(played.Asked(0) == Numbers{30});
}

void AwaitSleep(const Played::Side& side, locus::Sleep how) {
  // Above the bits that say how stands the number of the eventfd.
  constexpr uint32_t kHow = (1u << locus::kSleepBits) - 1;
  while ((side.bell.sleep.load() & kHow) != static_cast<uint32_t>(how)) std::this_thread::yield();
}

/// Waits on a thread of its own, until it has replies or something else to do.
class Sleeper {
 public:
  Sleeper(Played::Side* side, locus::Sleep how) : thread_([this, side] { Sleep(side->channel); }) {
    AwaitSleep(*side, how);
  }
  void Give() { has_work_ = true; }
  void Join() { thread_.join(); }
  /// How often its owner has put it to sleep.
  int sleeps() const { return sleeps_; }

 private:
  void Sleep(locus::SocketChannel& channel) {
    const int64_t until_ns = locus::NowNs() + kLongNs;
    while (!has_work_ && !channel.HasReplies() && locus::NowNs() < until_ns) {
      sleeps_++;
      channel.Sleep(until_ns, [this] { return has_work_.load(); });
    }
  }

  std::atomic<bool> has_work_{false};
  std::atomic<int> sleeps_{0};
  std::thread thread_;
};

/// Three isolates with a round each on one connection. `first` reads; `busy` is the next that is chosen when it
/// has its reply, and `last` is who waits for that one.
struct Three {
  explicit Three(bool reads_too = false) : played(reads_too ? 2 : 1) {
    first.Send(1, 0, kReads);
    if (reads_too) busy.Send(4, 0, kReads);
    busy.Send(2, 0, kWrites);
    last.Send(3, 0, kWrites);
    EXPECT((played.Asked(0) == Numbers{10, 20, 30}));
    EXPECT(!reads_too || played.Asked(1) == Numbers{40});
  }
  /// Once `busy` computes: the replies of the others come, and somebody reads them.
  void ExpectLastIsAnswered(Sleeper* waiting) {
    played.Answer(0, 20);
    played.Answer(0, 30);
    waiting->Join();
    EXPECT(last.channel.HasReplies());
  }

  Played played;
  Played::Side first{&played}, busy{&played}, last{&played};
};

// `reads_too`: who is woken to read here reads on another connection already.
void WhoeverIsToReadOnAndHasOtherWorkWakesTheNext(bool reads_too) {
  Three three(reads_too);
  Sleeper reading(&three.first, locus::Sleep::kOnDescriptor);
  Sleeper computing(&three.busy, reads_too ? locus::Sleep::kOnDescriptor : locus::Sleep::kOnFutex);
  Sleeper waiting(&three.last, locus::Sleep::kOnFutex);
  computing.Give();
  three.played.Answer(0, 10);
  reading.Join();
  computing.Join();
  three.ExpectLastIsAnswered(&waiting);
}

// Between the announcement of its sleep and its second look whoever stops reading takes it for asleep.
void WhoeverIsToReadOnAndSeesOtherWorkAtTheSecondLookWakesTheNext() {
  Three three;
  Sleeper reading(&three.first, locus::Sleep::kOnDescriptor);
  std::thread computing([&] {
    three.busy.channel.Sleep(locus::NowNs() + kLongNs, [&] {
      // Until it has been chosen.
      AwaitSleep(three.busy, locus::Sleep::kAwake);
      return true;
    });
  });
  AwaitSleep(three.busy, locus::Sleep::kOnFutex);
  Sleeper waiting(&three.last, locus::Sleep::kOnFutex);
  three.played.Answer(0, 10);
  reading.Join();
  computing.join();
  three.ExpectLastIsAnswered(&waiting);
}

// What comes to it after it was woken, and before it reads, does not keep it from passing the reading on either.
void WhoeverIsToReadOnAndComesToOtherWorkWakesTheNext() {
  Three three;
  Sleeper reading(&three.first, locus::Sleep::kOnDescriptor);
  Sleeper computing(&three.busy, locus::Sleep::kOnFutex);
  Sleeper waiting(&three.last, locus::Sleep::kOnFutex);
  three.played.Answer(0, 10);
  reading.Join();
  // It, and not its owner, goes on reading: the owner has no turn in which it could begin something else.
  AwaitSleep(three.busy, locus::Sleep::kOnDescriptor);
  EXPECT(computing.sleeps() == 1);
  computing.Give();
  locus::Ring(&three.busy.bell, three.busy.eventfds);
  computing.Join();
  three.ExpectLastIsAnswered(&waiting);
}

void ALoneConnectionTakesAll() {
  Played played(1);
  Played::Side side(&played);
  side.Send(1, 0, kReads);
  side.Send(1, 1, kWrites);
  side.Send(2, 0, kReads);
  EXPECT((played.Asked(0) == Numbers{10, 11, 20}));
}

}  // namespace

int main() {
  ReadsGoOnWhileMoreWritesWaitThanThereAreConnections();
  AnInvocationKeepsItsOrder();
  AReadIsNotFollowedToWhereAnothersWriteHasCome();
  WhatIsForgottenIsNotSent();
  AWriteThatIsAnsweredWhenItsIsolateHasGoneKeepsNothingAway();
  WhoeverIsToReadOnAndHasOtherWorkWakesTheNext(false);
  WhoeverIsToReadOnAndHasOtherWorkWakesTheNext(true);
  WhoeverIsToReadOnAndSeesOtherWorkAtTheSecondLookWakesTheNext();
  WhoeverIsToReadOnAndComesToOtherWorkWakesTheNext();
  ALoneConnectionTakesAll();
  EveryRoundEndsOnce();
  return failures == 0 ? 0 : 1;
}
