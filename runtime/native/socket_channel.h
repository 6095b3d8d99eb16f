// Operations and replies over connected sockets (TCP, TLS, Unix) that the supervisor passed to this process:
// a bounded number of connections, pipelined, shared by all isolates of the host.
//
// There is no reader thread, so there is no hop: whichever isolate waits for a reply on a connection that
// nobody reads becomes its reader, hands the others theirs, and passes the reading on when it has its own.
//
// Redis answers a connection in order, and may hold a write back. So what only reads goes where no write of
// another invocation is unanswered, and the last of several connections is kept free of writes. An invocation
// has its unanswered rounds on one connection: they run in their order.
#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "channel.h"
#include "lane.h"
#include "resp.h"
#include "shared_memory.h"
#include "tls.h"

namespace locus {

class SocketChannel;

/// What is written and not yet answered, in the order of the connection.
struct SentRound {
  SocketChannel* owner = nullptr;  ///< null when it has gone: the replies are dropped
  uint64_t invocation = 0;
  uint32_t number = 0;
  uint32_t unanswered = 0;
  bool writes = false;
  uint64_t reply_bytes = 0;
};

/// What has to be so of a connection for a round to go there.
enum class Behind : uint8_t {
  kNothing,  ///< nothing is under way
  kReads,    ///< no write is
  kAnything,
};

class Connection {
 public:
  explicit Connection(uint32_t index) : index_(index) {}

  /// Takes over a connected, authenticated descriptor, with its TLS session where it has one. False, and it
  /// is closed, where there is one that works: two may have been sent for one loss.
  bool Adopt(Descriptor socket, std::unique_ptr<TlsSession> tls);
  /// What is under way: what a channel chooses by.
  struct Load {
    size_t rounds = SIZE_MAX;  ///< SIZE_MAX: it is down
    size_t writes = 0;
  };
  Load load();

  /// Writes what goes; the rest leaves when the socket has room. False when the connection is down, or more
  /// than `behind` allows is under way.
  bool Send(SocketChannel* owner, const Round& round, Behind behind);
  /// From here on the caller reads for everybody, where this gives true: `watched` is what to poll. False
  /// when somebody else reads already or nothing is outstanding.
  bool BeginReading(pollfd* watched);
  /// Takes in what `watched` has seen; `done` becomes true when `own` has something. False when the caller
  /// reads no more: it is done, or nothing is outstanding.
  bool GoOnReading(SocketChannel* own, pollfd* watched, bool* done);
  void EndReading(SocketChannel* own);
  /// Where nobody reads, somebody else than `own` is woken to.
  void PassReading(SocketChannel* own);
  /// Whether replies are outstanding and nobody reads.
  bool wants_reader();
  void Abandon(SocketChannel* owner);
  /// The other end has hung up, as whoever watches the descriptor saw. Who waits for replies reads them
  /// first.
  void NoteHangUp();

 private:
  friend class ConnectionPool;
  /// All with `mutex_` held. Once nobody waits for what may still be read.
  void BreakIfHungUp();
  bool IsUsable();
  bool IsWanted() const;
  void Watch(pollfd* watched) const;
  ssize_t Read(char* to, size_t bytes);
  ssize_t Write(const char* from, size_t bytes);
  void WriteOut();
  bool ReadIn(SocketChannel* own);
  bool TakeReplies(SocketChannel* own);
  bool HandOver(SocketChannel* own, uint32_t count, std::string_view bytes);
  void Break(const std::string& why);
  void StopReading(SocketChannel* own);
  void WakeReader(SocketChannel* own);

  const uint32_t index_;
  std::mutex mutex_;
  std::unique_ptr<TlsSession> tls_;
  Descriptor socket_;
  std::deque<SentRound> sent_;
  size_t writes_ = 0;  ///< rounds of `sent_` that write
  std::string out_;
  size_t out_offset_ = 0;
  std::string in_;
  size_t in_begin_ = 0;
  RespScanner scanner_{kRepliesBytesMax};
  bool reading_ = false;
  bool hung_up_ = false;
  std::function<void(uint32_t, const std::string& why)> on_lost_;
};

/// The host's connections. Channels pick the least loaded that will do.
class ConnectionPool {
 public:
  ConnectionPool(uint32_t connections, std::function<void(uint32_t, const std::string& why)> on_lost);
  /// False where that connection has a descriptor that works: it keeps it.
  bool Adopt(uint32_t index, Descriptor socket, std::unique_ptr<TlsSession> tls);
  /// A connection that nobody reads is seen to end by this.
  void NoteHangUp(uint32_t index);
  size_t size() const { return connections_.size(); }
  Connection& at(size_t index) { return *connections_[index]; }
  /// Whether the connection is the one that writes keep off.
  bool IsForReads(size_t index) const { return index > 0 && index + 1 == connections_.size(); }
  /// Where a round may go, and behind what: the least loaded connection without writes for one that reads,
  /// the least loaded of those that are not for reads for one that writes; where no such one is up, any that
  /// is.
  struct Choice {
    size_t index = 0;
    Behind behind = Behind::kAnything;
  };
  std::optional<Choice> Choose(bool writes);
  /// The channel goes: replies to what it has sent are dropped.
  void Abandon(SocketChannel* channel);
  void Wait(SocketChannel* channel);
  void StopWaiting(SocketChannel* channel);

 private:
  std::vector<std::unique_ptr<Connection>> connections_;
  std::mutex waiting_mutex_;
  std::vector<SocketChannel*> waiting_;
};

class SocketChannel final : public Channel {
 public:
  /// `eventfds`: a bell for each connection, polled by whoever reads that one.
  SocketChannel(ConnectionPool* pool, BellWord* bell, std::span<const int> eventfds);
  ~SocketChannel() override;

  void Send(const Round& round) override;
  bool Receive(const std::function<void(const Replies&)>& on_replies) override;
  bool HasReplies() override { return has_inbox_.load(std::memory_order_acquire); }
  void Sleep(int64_t until_ns, const std::function<bool()>& ready) override;
  void Forget(uint64_t invocation) override;

 private:
  friend class Connection;
  friend class ConnectionPool;
  struct Letter {
    uint64_t invocation = 0;
    uint32_t round = 0;
    uint32_t count = 0;
    bool whole = false;  ///< with it, the end of a round that was sent has come
    std::string bytes;
    Code failure = Code::kOk;
    std::string message;
  };
  /// An invocation of which rounds are out.
  struct Flight {
    uint64_t invocation = 0;
    size_t connection = 0;
    uint32_t rounds = 0;
    std::optional<uint32_t> write;  ///< the last of them that writes
  };
  struct Parked {
    Round round;  ///< its commands lie in `commands`
    std::string commands;
    int64_t until_ns = 0;  ///< how long it waits for a connection
  };
  enum class Sending : uint8_t { kSent, kAfterOwn, kNoConnection };
  /// Of the connections on which rounds of this channel are out: where others read it may be chosen to read on.
  enum class Reading : uint8_t { kNowhere, kSomewhere, kEverywhere };
  /// From the connection's reader, on any thread.
  void Deliver(Letter&& letter);
  void Wake();
  bool asleep() const { return bell_->sleep.load() != static_cast<uint32_t>(Sleep::kAwake); }
  Sending TrySend(const Round& round);
  Flight* FindFlight(uint64_t invocation);
  bool SendOn(size_t connection, const Round& round, Behind behind, Flight* flight);
  void NoteWhole(const Letter& letter);
  void SendParked();
  bool TryParked(Parked* parked, int64_t now);
  Reading ReadUntil(int64_t until_ns, const std::function<bool()>& ready);
  void WaitUntil(int64_t until_ns, const std::function<bool()>& ready);
  void PassReading();
  bool HasUnreadPlace();

  ConnectionPool* pool_;
  BellWord* bell_;
  std::span<const int> eventfds_;
  std::vector<uint32_t> rounds_on_;  ///< by connection: rounds of this channel of which the end has not come
  std::vector<Flight> flights_;
  // A channel keeps to these, so that it waits in few places.
  std::optional<size_t> reads_go_to_;
  std::optional<size_t> writes_go_to_;
  std::deque<Parked> parked_;  ///< rounds that wait for a connection, or for earlier ones of their invocation
  int64_t patience_ns_ = INT64_MAX;  ///< when the first that waits for a connection has waited long enough
  // Scratch of ReadUntil: connections that it reads, and what it polls, the bell last.
  std::vector<size_t> reading_;
  std::vector<pollfd> watched_;
  std::mutex inbox_mutex_;
  std::vector<Letter> inbox_;
  std::vector<Letter> taken_;  ///< what `Receive` hands over; empty between its calls
  std::atomic<bool> has_inbox_{false};
};

}  // namespace locus
