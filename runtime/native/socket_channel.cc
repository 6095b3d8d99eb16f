#include "socket_channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace locus {

namespace {

/// How long a round waits for a connection before it fails with REDIS_UNAVAILABLE. Chosen: a reconnect takes
/// a few ms, and a caller should learn of an outage within its own patience.
constexpr int64_t kParkNs = 1'000'000'000;
constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kKeepBytes = 1024 * 1024;

}  // namespace

// ---- Connection
// -----------------------------------------------------------------------------------------------

bool Connection::Adopt(Descriptor socket, std::unique_ptr<TlsSession> tls) {
  const std::lock_guard lock(mutex_);
  if (IsUsable()) return false;
  tls_ = std::move(tls);
  socket_ = std::move(socket);
  hung_up_ = false;
  return true;
}

ssize_t Connection::Read(char* to, size_t bytes) {
  return tls_ ? tls_->Read(to, bytes) : recv(socket_.get(), to, bytes, MSG_DONTWAIT);
}

ssize_t Connection::Write(const char* from, size_t bytes) {
  return tls_ ? tls_->Write(from, bytes) : send(socket_.get(), from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool Connection::up() {
  const std::lock_guard lock(mutex_);
  return IsUsable();
}

void Connection::BreakIfHungUp() {
  // Rounds whose isolate has gone wait for nothing.
  const auto is_wanted = [](const auto& round) { return round.owner != nullptr; };
  if (socket_.valid() && hung_up_ && std::none_of(sent_.begin(), sent_.end(), is_wanted))
    Break("Redis closed the connection");
}

bool Connection::IsUsable() {
  BreakIfHungUp();
  return socket_.valid();
}

void Connection::NoteHangUp() {
  const std::lock_guard lock(mutex_);
  hung_up_ = true;
  BreakIfHungUp();
}

bool Connection::wants_reader() {
  const std::lock_guard lock(mutex_);
  return socket_.valid() && !reading_ && !sent_.empty();
}

size_t Connection::load() {
  const std::lock_guard lock(mutex_);
  return IsUsable() ? sent_.size() : SIZE_MAX;
}

bool Connection::Send(SocketChannel* owner, const Round& round) {
  const std::lock_guard lock(mutex_);
  if (!IsUsable()) return false;
  sent_.push_back({owner, round.invocation, round.number, round.operations, 0});
  if (out_offset_ == out_.size()) {
    out_.clear();
    out_offset_ = 0;
    const ssize_t written = Write(round.commands.data(), round.commands.size());
    const auto gone = static_cast<size_t>(std::max<ssize_t>(written, 0));
    out_.append(round.commands.substr(gone));
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
      Break(strerror(errno));
      return true;  // the round is answered with the failure, like all that were under way
    }
  } else {
    out_.append(round.commands);
  }
  return true;
}

void Connection::WriteOut() {
  while (out_offset_ < out_.size()) {
    const ssize_t written = Write(out_.data() + out_offset_, out_.size() - out_offset_);
    if (written < 0) {
      if (errno != EAGAIN && errno != EINTR) Break(strerror(errno));
      return;
    }
    out_offset_ += static_cast<size_t>(written);
  }
  out_.clear();
  out_offset_ = 0;
  if (out_.capacity() > kKeepBytes) out_.shrink_to_fit();
}

// Reads what the socket has. True when replies for `own` came.
bool Connection::ReadIn(SocketChannel* own) {
  bool mine = false;
  while (socket_.valid()) {
    if (in_begin_ > 0 && in_begin_ == in_.size()) {
      in_.clear();
      in_begin_ = 0;
      if (in_.capacity() > kKeepBytes) in_.shrink_to_fit();
    }
    thread_local char chunk[kReadBytes];
    const ssize_t bytes = Read(chunk, sizeof chunk);
    if (bytes == 0) {
      Break("Redis closed the connection");
      return true;
    }
    if (bytes < 0) {
      if (errno != EAGAIN && errno != EINTR) {
        Break(strerror(errno));
        return true;
      }
      return mine;
    }
    in_.append(chunk, static_cast<size_t>(bytes));
    mine |= TakeReplies(own);
    // A short read has emptied the socket; a TLS session gives a record at a time.
    if (tls_ ? !tls_->pending() : static_cast<size_t>(bytes) < kReadBytes) return mine;
  }
  return mine;
}

// Replies of the first round that waits, `count` of them in `bytes`. True when they are for `own`.
bool Connection::HandOver(SocketChannel* own, uint32_t count, std::string_view bytes) {
  SentRound& round = sent_.front();
  SocketChannel* const owner = round.owner;
  if (owner != nullptr) {
    SocketChannel::Letter letter;
    letter.invocation = round.invocation;
    letter.round = round.number;
    letter.count = count;
    letter.bytes.assign(bytes);
    owner->Deliver(std::move(letter));
    if (owner != own) owner->Wake();
  }
  round.unanswered -= count;
  if (round.unanswered == 0) sent_.pop_front();
  return owner == own;
}

// Gives each whole reply to the round that it belongs to; several of one round travel together. A reply with
// which its round's would be too large fails alone: nothing of it is kept, and it is read to its end.
bool Connection::TakeReplies(SocketChannel* own) {
  bool mine = false;
  size_t begin = in_begin_;
  uint32_t count = 0;
  const auto hand_over = [&] {
    if (count > 0) mine |= HandOver(own, count, std::string_view(in_).substr(begin, in_begin_ - begin));
    count = 0;
    begin = in_begin_;
  };
  while (!sent_.empty()) {
    SentRound& round = sent_.front();
    scanner_.set_reply_bytes_max(kRepliesBytesMax - std::min(round.reply_bytes, kRepliesBytesMax));
    const RespScanner::Found found = scanner_.Next(std::string_view(in_).substr(in_begin_));
    if (found.state == RespRead::kBroken) {
      Break("Redis sent what is no RESP");
      return true;
    }
    const bool whole = found.state == RespRead::kOk;
    if (found.push || found.too_large) {
      hand_over();
      in_begin_ += found.end;
      begin = in_begin_;
      if (!whole) break;
      if (found.push) continue;
      round.reply_bytes = kRepliesBytesMax;
      std::string error;
      AppendRepliesLimit(&error);
      mine |= HandOver(own, 1, error);
      continue;
    }
    if (!whole) break;
    in_begin_ += found.end;
    round.reply_bytes += found.end;
    count++;
    if (count == round.unanswered) hand_over();
  }
  hand_over();
  if (in_begin_ > kReadBytes) {
    in_.erase(0, in_begin_);
    in_begin_ = 0;
    if (in_.size() <= kKeepBytes && in_.capacity() > kKeepBytes) in_.shrink_to_fit();
  }
  return mine;
}

bool Connection::ReadFor(SocketChannel* own, int64_t until_ns, const std::function<bool()>& ready) {
  std::unique_lock lock(mutex_);
  if (reading_ || !socket_.valid() || sent_.empty()) return false;
  reading_ = true;
  bool done = false;
  while (!done && socket_.valid() && !sent_.empty()) {
    pollfd watched[2] = {{socket_.get(), POLLIN, 0}, {own->bell_descriptor_, POLLIN, 0}};
    if (out_offset_ < out_.size()) watched[0].events |= POLLOUT;
    lock.unlock();
    AnnounceSleep(own->bell_, Sleep::kOnDescriptor);
    if (!ready() && !own->HasReplies()) {
      timespec patience = {};
      const int64_t left = until_ns == INT64_MAX ? INT64_MAX : std::max<int64_t>(until_ns - NowNs(), 0);
      patience.tv_sec = left / 1'000'000'000;
      patience.tv_nsec = left % 1'000'000'000;
      ppoll(watched, 2, until_ns == INT64_MAX ? nullptr : &patience, nullptr);
    }
    CancelSleep(own->bell_);
    if ((watched[1].revents & POLLIN) != 0) {
      uint64_t rung = 0;
      [[maybe_unused]] const ssize_t bytes = read(own->bell_descriptor_, &rung, sizeof rung);
    }
    done = (watched[1].revents & POLLIN) != 0 || ready() || (until_ns != INT64_MAX && NowNs() >= until_ns);
    lock.lock();
    if (!socket_.valid()) break;
    if ((watched[0].revents & POLLOUT) != 0) WriteOut();
    if ((watched[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) done |= ReadIn(own);
    done |= own->HasReplies();
  }
  reading_ = false;
  // The end may have been seen while the last reply was on its way: nobody would look again before the next round.
  BreakIfHungUp();
  PassReading(own);
  return true;
}

// The next that sleeps here reads on. One that computes looks for itself when it comes to sleep.
void Connection::PassReading(SocketChannel* own) {
  for (const SentRound& round : sent_) {
    if (round.owner == nullptr || round.owner == own || !round.owner->asleep()) continue;
    round.owner->Wake();
    return;
  }
}

void Connection::Abandon(SocketChannel* owner) {
  const std::lock_guard lock(mutex_);
  for (SentRound& round : sent_) {
    if (round.owner == owner) round.owner = nullptr;
  }
  BreakIfHungUp();
}

void Connection::Break(const std::string& why) {
  tls_.reset();
  socket_.Reset();
  for (const SentRound& round : sent_) {
    if (round.owner == nullptr) continue;
    SocketChannel::Letter letter;
    letter.invocation = round.invocation;
    letter.round = round.number;
    letter.count = round.unanswered;
    letter.failure = Code::REDIS_UNAVAILABLE;
    letter.message = "the connection to Redis was lost before the reply: " + why;
    round.owner->Deliver(std::move(letter));
    round.owner->Wake();
  }
  sent_.clear();
  out_.clear();
  out_offset_ = 0;
  in_.clear();
  in_begin_ = 0;
  scanner_ = RespScanner(kRepliesBytesMax);
  on_lost_(index_, why);
}

// ---- ConnectionPool
// -------------------------------------------------------------------------------------------

ConnectionPool::ConnectionPool(uint32_t connections,
                               std::function<void(uint32_t, const std::string& why)> on_lost) {
  for (uint32_t i = 0; i < connections; i++) {
    connections_.push_back(std::make_unique<Connection>(i));
    connections_.back()->on_lost_ = on_lost;
  }
}

bool ConnectionPool::Adopt(uint32_t index, Descriptor socket, std::unique_ptr<TlsSession> tls) {
  if (index >= connections_.size() || !connections_[index]->Adopt(std::move(socket), std::move(tls)))
    return false;
  const std::lock_guard lock(waiting_mutex_);
  for (SocketChannel* channel : waiting_) channel->Wake();
  return true;
}

void ConnectionPool::NoteHangUp(uint32_t index) {
  if (index < connections_.size()) connections_[index]->NoteHangUp();
}

Connection* ConnectionPool::Choose(Connection* preferred) {
  if (preferred != nullptr && preferred->load() == 0) return preferred;
  Connection* best = nullptr;
  size_t least = SIZE_MAX;
  for (const auto& connection : connections_) {
    const size_t load = connection->load();
    if (load < least) {
      least = load;
      best = connection.get();
    }
  }
  return best;
}

void ConnectionPool::Abandon(SocketChannel* channel) {
  for (const auto& connection : connections_) connection->Abandon(channel);
}

void ConnectionPool::Wait(SocketChannel* channel) {
  const std::lock_guard lock(waiting_mutex_);
  if (std::find(waiting_.begin(), waiting_.end(), channel) == waiting_.end()) waiting_.push_back(channel);
}

void ConnectionPool::StopWaiting(SocketChannel* channel) {
  const std::lock_guard lock(waiting_mutex_);
  std::erase(waiting_, channel);
}

// ---- SocketChannel
// --------------------------------------------------------------------------------------------

SocketChannel::~SocketChannel() {
  pool_->Abandon(this);
  pool_->StopWaiting(this);
}

void SocketChannel::Deliver(Letter&& letter) {
  const std::lock_guard lock(inbox_mutex_);
  inbox_.push_back(std::move(letter));
  has_inbox_.store(true, std::memory_order_release);
}

void SocketChannel::Wake() {
  Ring(bell_, bell_descriptor_);
}

// A channel stays on its connection while rounds are out there, so that it waits in one place.
void SocketChannel::Send(const Round& round) {
  if (parked_.empty()) {
    if (outstanding_ == 0 || connection_ == nullptr) connection_ = pool_->Choose(connection_);
    if (connection_ != nullptr && connection_->Send(this, round)) {
      outstanding_ += round.operations;
      return;
    }
  }
  pool_->Wait(this);
  parked_.push_back({round, std::string(round.commands), NowNs() + kParkNs});
  if (parked_.size() == 1) SendParked();  // a descriptor may have come before `Wait`
}

void SocketChannel::SendParked() {
  while (!parked_.empty()) {
    if (outstanding_ == 0 || connection_ == nullptr || !connection_->up())
      connection_ = pool_->Choose(nullptr);
    Parked& parked = parked_.front();
    parked.round.commands = parked.commands;
    if (connection_ == nullptr || !connection_->Send(this, parked.round)) break;
    outstanding_ += parked_.front().round.operations;
    parked_.pop_front();
  }
  const int64_t now = parked_.empty() ? 0 : NowNs();
  while (!parked_.empty() && parked_.front().until_ns <= now) {
    Letter letter;
    letter.invocation = parked_.front().round.invocation;
    letter.round = parked_.front().round.number;
    letter.failure = Code::REDIS_UNAVAILABLE;
    letter.message = "no connection to Redis came up within 1 s";
    Deliver(std::move(letter));
    parked_.pop_front();
  }
  if (parked_.empty()) pool_->StopWaiting(this);
}

// What waits for a connection is not sent for nobody.
void SocketChannel::Forget(uint64_t invocation) {
  std::erase_if(parked_, [&](const Parked& parked) { return parked.round.invocation == invocation; });
}

bool SocketChannel::Receive(const std::function<void(const Replies&)>& on_replies) {
  if (!parked_.empty()) SendParked();
  if (!HasReplies()) return false;
  std::vector<Letter> letters;
  {
    const std::lock_guard lock(inbox_mutex_);
    letters.swap(inbox_);
    has_inbox_.store(false, std::memory_order_release);
  }
  for (const Letter& letter : letters) {
    outstanding_ -= std::min<uint64_t>(outstanding_, letter.count);
    on_replies({letter.invocation, letter.round, letter.count, letter.bytes, letter.failure, letter.message});
  }
  return !letters.empty();
}

void SocketChannel::Sleep(int64_t until_ns, const std::function<bool()>& ready) {
  if (!parked_.empty()) until_ns = std::min(until_ns, parked_.front().until_ns);
  if (outstanding_ > 0 && connection_ != nullptr && connection_->ReadFor(this, until_ns, ready)) return;
  AnnounceSleep(bell_, Sleep::kOnFutex);
  // Whoever read may have stopped between `ReadFor` and the announcement.
  if (ready() || HasReplies() ||
      (outstanding_ > 0 && connection_ != nullptr && connection_->wants_reader())) {
    CancelSleep(bell_);
    return;
  }
  SleepOnFutex(bell_, until_ns);
}

}  // namespace locus
