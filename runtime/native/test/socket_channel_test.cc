// Isolates on threads of their own that share connections: each reads for the others, and hands the reading
// on. The other end answers every operation with its own number, and closes now and then, in the middle of a
// reply too. Every round ends once: with its replies in order, or with why it has none.
#include "socket_channel.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "expect.h"

namespace {

using locus::Descriptor;
using locus::Replies;

constexpr uint32_t kConnections = 2;
constexpr uint32_t kIsolates = 4;
constexpr uint64_t kRoundsEach = 3'000;
constexpr uint32_t kOperationsMax = 20;
constexpr int64_t kPatienceNs = 20'000'000;

/// An operation is its number, always as long.
constexpr size_t kDigits = 16;
constexpr size_t kOperationBytes = 9 + kDigits + 2;

std::string OperationOf(uint64_t number) {
  char text[kOperationBytes + 1];
  snprintf(text, sizeof text, "*1\r\n$%zu\r\n%016llu\r\n", kDigits, static_cast<unsigned long long>(number));
  return text;
}

std::string ReplyTo(std::string_view operation) {
  const std::string digits(operation.substr(9, kDigits));
  return ":" + std::to_string(std::strtoull(digits.c_str(), nullptr, 10)) + "\r\n";
}

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

  static void AnswerAll(int fd, uint32_t seed) {
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
  Isolate(locus::ConnectionPool* pool, uint64_t index)
      : pool_(pool), next_(index << 32), random_(index + 1) {}

  Count Run() {
    // Now and then another takes its place, with rounds of the former still out.
    for (uint64_t sent = 0; sent < kRoundsEach;) {
      locus::SocketChannel channel(pool_, &bell_, bell_descriptor_.get());
      out_.clear();
      const uint64_t until = sent + 1 + random_() % (kRoundsEach / 4);
      while (sent < std::min(until, kRoundsEach)) {
        for (uint64_t more = 1 + random_() % 3; more > 0; more--, sent++) Send(channel);
        while (out_.size() > 4) Wait(channel);
      }
      if (sent >= kRoundsEach) {
        while (!out_.empty()) Wait(channel);
      }
    }
    return count_;
  }

 private:
  struct Out {
    uint64_t next = 0;  ///< the number that its next reply has
    uint64_t end = 0;
  };

  void Send(locus::SocketChannel& channel) {
    const uint32_t operations = 1 + static_cast<uint32_t>(random_() % kOperationsMax);
    std::string commands;
    const uint64_t first = next_;
    for (; next_ < first + operations; next_++) commands += OperationOf(next_);
    out_.emplace(first, Out{first, next_});
    channel.Send({first, 0, operations, commands});
  }

  void Wait(locus::SocketChannel& channel) {
    if (!channel.Receive([this](const Replies& replies) { Take(replies); }))
      channel.Sleep(locus::NowNs() + kPatienceNs, [] { return false; });
  }

  void Take(const Replies& replies) {
    const auto found = out_.find(replies.invocation);
    EXPECT(found != out_.end());
    if (found == out_.end()) std::abort();
    if (replies.failure != locus::Code::kOk) {
      count_.failed++;
      out_.erase(found);
      return;
    }
    std::string expected;
    Out& out = found->second;
    for (uint32_t i = 0; i < replies.count; i++) expected += ReplyTo(OperationOf(out.next++));
    EXPECT(replies.bytes == expected && out.next <= out.end);
    if (replies.bytes != expected) std::abort();
    if (out.next < out.end) return;
    count_.answered++;
    out_.erase(found);
  }

  locus::ConnectionPool* const pool_;
  uint64_t next_;
  std::minstd_rand random_;
  locus::BellWord bell_ = {};
  const Descriptor bell_descriptor_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::map<uint64_t, Out> out_;
  Count count_;
};

void EveryRoundEndsOnce() {
  OtherEnd other_end;
  std::atomic<uint64_t> answered{0}, failed{0};
  std::vector<std::thread> isolates;
  for (uint64_t index = 0; index < kIsolates; index++)
    isolates.emplace_back([&, index] {
      const Count count = Isolate(&other_end.pool(), index).Run();
      answered += count.answered;
      failed += count.failed;
    });
  for (std::thread& isolate : isolates) isolate.join();
  // It did hang up, and did answer most of the time.
  EXPECT(failed > 0 && answered > kIsolates * kRoundsEach / 2);
}

}  // namespace

int main() {
  EveryRoundEndsOnce();
  return failures == 0 ? 0 : 1;
}
