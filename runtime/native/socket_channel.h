// Operations and replies over connected sockets (TCP, TLS, Unix) that the supervisor passed to this process:
// a bounded number of connections, pipelined, shared by all isolates of the host.
//
// There is no reader thread, so there is no hop: whichever isolate waits for a reply on a connection that
// nobody reads becomes its reader, hands the others theirs, and passes the reading on when it has its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
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
  uint64_t reply_bytes = 0;
};

class Connection {
 public:
  explicit Connection(uint32_t index) : index_(index) {}

  /// Takes over a connected, authenticated descriptor, with its TLS session where it has one. False, and it
  /// is closed, where there is one that works: two may have been sent for one loss.
  bool Adopt(Descriptor socket, std::unique_ptr<TlsSession> tls);
  bool up();
  /// Rounds under way: what a channel chooses by.
  size_t load();

  /// Writes what goes; the rest leaves when the socket has room. False when the connection is down.
  bool Send(SocketChannel* owner, const Round& round);
  /// Reads for everybody until `own` has something, the bell rings or `until_ns`. False when somebody else
  /// reads already or nothing is outstanding.
  bool ReadFor(SocketChannel* own, int64_t until_ns, const std::function<bool()>& ready);
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
  ssize_t Read(char* to, size_t bytes);
  ssize_t Write(const char* from, size_t bytes);
  void WriteOut();
  bool ReadIn(SocketChannel* own);
  bool TakeReplies(SocketChannel* own);
  bool HandOver(SocketChannel* own, uint32_t count, std::string_view bytes);
  void Break(const std::string& why);
  void PassReading(SocketChannel* own);

  const uint32_t index_;
  std::mutex mutex_;
  std::unique_ptr<TlsSession> tls_;
  Descriptor socket_;
  std::deque<SentRound> sent_;
  std::string out_;
  size_t out_offset_ = 0;
  std::string in_;
  size_t in_begin_ = 0;
  RespScanner scanner_{kRepliesBytesMax};
  bool reading_ = false;
  bool hung_up_ = false;
  std::function<void(uint32_t, const std::string& why)> on_lost_;
};

/// The host's connections. Channels pick the least loaded.
class ConnectionPool {
 public:
  ConnectionPool(uint32_t connections, std::function<void(uint32_t, const std::string& why)> on_lost);
  /// False where that connection has a descriptor that works: it keeps it.
  bool Adopt(uint32_t index, Descriptor socket, std::unique_ptr<TlsSession> tls);
  /// A connection that nobody reads is seen to end by this.
  void NoteHangUp(uint32_t index);
  /// The least loaded connection that is up; null when none is.
  Connection* Choose(Connection* preferred);
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
  SocketChannel(ConnectionPool* pool, BellWord* bell, int bell_descriptor)
      : pool_(pool), bell_(bell), bell_descriptor_(bell_descriptor) {}
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
    std::string bytes;
    Code failure = Code::kOk;
    std::string message;
  };
  struct Parked {
    Round round;  ///< its commands lie in `commands`
    std::string commands;
    int64_t until_ns = 0;
  };
  /// From the connection's reader, on any thread.
  void Deliver(Letter&& letter);
  void Wake();
  bool asleep() const { return bell_->sleep.load() != static_cast<uint32_t>(Sleep::kAwake); }
  void SendParked();

  ConnectionPool* pool_;
  BellWord* bell_;
  int bell_descriptor_;
  Connection* connection_ = nullptr;
  uint64_t outstanding_ = 0;   ///< rounds on `connection_` of which the end has not come
  std::deque<Parked> parked_;  ///< rounds that wait for a connection
  std::mutex inbox_mutex_;
  std::vector<Letter> inbox_;
  std::atomic<bool> has_inbox_{false};
};

}  // namespace locus
