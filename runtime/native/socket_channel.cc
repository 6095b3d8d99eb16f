#include "socket_channel.h"

#include <errno.h>
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

void Connection::BreakIfHungUp() {
  if (socket_.valid() && hung_up_ && !IsWanted()) Break("Redis closed the connection");
}

// Rounds whose isolate has gone wait for nothing.
bool Connection::IsWanted() const {
  return std::any_of(sent_.begin(), sent_.end(), [](const auto& round) { return round.owner != nullptr; });
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

Connection::Load Connection::load() {
  const std::lock_guard lock(mutex_);
  if (!IsUsable()) return {};
  // What nobody waits for nobody reads: a write whose isolate has gone may have been answered long ago.
  if (!reading_ && !sent_.empty() && !IsWanted()) ReadIn(nullptr);
  return socket_.valid() ? Load{sent_.size(), writes_} : Load{};
}

bool Connection::Send(SocketChannel* owner, const Round& round, Behind behind) {
  const std::lock_guard lock(mutex_);
  if (!IsUsable() || (behind == Behind::kNothing && !sent_.empty()) ||
      (behind == Behind::kReads && writes_ > 0))
    return false;
  sent_.push_back({owner, round.invocation, round.number, round.operations, round.writes, 0});
  if (round.writes) writes_++;
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
    letter.whole = count == round.unanswered;
    letter.bytes.assign(bytes);
    owner->Deliver(std::move(letter));
    if (owner != own) owner->Wake();
  }
  round.unanswered -= count;
  if (round.unanswered == 0) {
    if (round.writes) writes_--;
    sent_.pop_front();
  }
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

bool Connection::BeginReading(pollfd* watched) {
  const std::lock_guard lock(mutex_);
  if (reading_ || !socket_.valid() || sent_.empty()) return false;
  reading_ = true;
  Watch(watched);
  return true;
}

void Connection::Watch(pollfd* watched) const {
  *watched = {socket_.get(), POLLIN, 0};
  if (out_offset_ < out_.size()) watched->events |= POLLOUT;
}

bool Connection::GoOnReading(SocketChannel* own, pollfd* watched, bool* done) {
  const std::lock_guard lock(mutex_);
  if (socket_.valid() && (watched->revents & POLLOUT) != 0) WriteOut();
  if (socket_.valid() && (watched->revents & (POLLIN | POLLHUP | POLLERR)) != 0) *done |= ReadIn(own);
  *done |= own->HasReplies();
  if (*done || !socket_.valid() || sent_.empty()) {
    StopReading(own);
    return false;
  }
  Watch(watched);
  return true;
}

void Connection::EndReading(SocketChannel* own) {
  const std::lock_guard lock(mutex_);
  StopReading(own);
}

// The next that sleeps here reads on. One that computes looks for itself when it comes to sleep; one that is
// woken for it and has come to something else passes it on.
void Connection::StopReading(SocketChannel* own) {
  reading_ = false;
  // The end may have been seen while the last reply was on its way: nobody would look again before the next
  // round.
  BreakIfHungUp();
  WakeReader(own);
}

void Connection::PassReading(SocketChannel* own) {
  const std::lock_guard lock(mutex_);
  if (!reading_) WakeReader(own);
}

void Connection::WakeReader(SocketChannel* own) {
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
    letter.whole = true;
    letter.failure = Code::REDIS_UNAVAILABLE;
    letter.message = "the connection to Redis was lost before the reply: " + why;
    round.owner->Deliver(std::move(letter));
    round.owner->Wake();
  }
  sent_.clear();
  writes_ = 0;
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

std::optional<ConnectionPool::Choice> ConnectionPool::Choose(bool writes) {
  std::optional<Choice> best, makeshift;
  size_t least = SIZE_MAX, makeshift_least = SIZE_MAX;
  for (size_t index = 0; index < connections_.size(); index++) {
    const Connection::Load load = connections_[index]->load();
    if (writes ? !IsForReads(index) : load.writes == 0) {
      if (load.rounds >= least) continue;
      least = load.rounds;
      best = {index, writes ? Behind::kAnything : Behind::kReads};
    } else if (load.rounds < makeshift_least) {
      makeshift_least = load.rounds;
      makeshift = {index, Behind::kAnything};
    }
  }
  return best ? best : makeshift;
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

SocketChannel::SocketChannel(ConnectionPool* pool, BellWord* bell, std::span<const int> eventfds)
    : pool_(pool),
      bell_(bell),
      eventfds_(eventfds),
      rounds_on_(pool->size()),
      reading_(pool->size()),
      watched_(pool->size() + 1) {}

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
  Ring(bell_, eventfds_);
}

void SocketChannel::Send(const Round& round) {
  const auto is_ahead = [&](const Parked& parked) { return parked.round.invocation == round.invocation; };
  if ((parked_.empty() || std::none_of(parked_.begin(), parked_.end(), is_ahead)) &&
      TrySend(round) == Sending::kSent)
    return;
  pool_->Wait(this);
  parked_.push_back({round, std::string(round.commands), NowNs() + kParkNs});
  SendParked();  // a descriptor may have come before `Wait`
}

SocketChannel::Sending SocketChannel::TrySend(const Round& round) {
  Flight* const flight = FindFlight(round.invocation);
  if (flight != nullptr) {
    if (round.writes && pool_->IsForReads(flight->connection)) return Sending::kAfterOwn;
    const Behind behind = round.writes || flight->write ? Behind::kAnything : Behind::kReads;
    return SendOn(flight->connection, round, behind, flight) ? Sending::kSent : Sending::kAfterOwn;
  }
  // Where rounds of its are out, it waits anyhow.
  std::optional<size_t>& kept = round.writes ? writes_go_to_ : reads_go_to_;
  if (kept) {
    const Behind here = round.writes ? Behind::kAnything : Behind::kReads;
    if (SendOn(*kept, round, rounds_on_[*kept] > 0 ? here : Behind::kNothing, nullptr)) return Sending::kSent;
  }
  // Others may be faster to where no write was.
  while (const std::optional<ConnectionPool::Choice> choice = pool_->Choose(round.writes)) {
    if (!SendOn(choice->index, round, choice->behind, nullptr)) continue;
    if (!round.writes || !pool_->IsForReads(choice->index)) kept = choice->index;
    return Sending::kSent;
  }
  return Sending::kNoConnection;
}

SocketChannel::Flight* SocketChannel::FindFlight(uint64_t invocation) {
  for (Flight& flight : flights_) {
    if (flight.invocation == invocation) return &flight;
  }
  return nullptr;
}

// `flight`: the invocation's, null where nothing of it is out.
bool SocketChannel::SendOn(size_t connection, const Round& round, Behind behind, Flight* flight) {
  if (!pool_->at(connection).Send(this, round, behind)) return false;
  if (flight == nullptr) flight = &flights_.emplace_back(Flight{round.invocation, connection, 0, {}});
  flight->rounds++;
  if (round.writes) flight->write = round.number;
  rounds_on_[connection]++;
  return true;
}

void SocketChannel::NoteWhole(const Letter& letter) {
  Flight* const flight = FindFlight(letter.invocation);
  if (flight == nullptr) return;
  rounds_on_[flight->connection]--;
  if (flight->write == letter.round) flight->write.reset();
  if (--flight->rounds > 0) return;
  *flight = flights_.back();
  flights_.pop_back();
}

void SocketChannel::SendParked() {
  const int64_t now = NowNs();
  patience_ns_ = INT64_MAX;
  std::vector<uint64_t> waiting;  // invocations of which a round stays
  for (auto parked = parked_.begin(); parked != parked_.end();) {
    const uint64_t invocation = parked->round.invocation;
    const bool follows = std::find(waiting.begin(), waiting.end(), invocation) != waiting.end();
    if (!follows && TryParked(&*parked, now)) {
      parked = parked_.erase(parked);
    } else {
      waiting.push_back(invocation);
      parked++;
    }
  }
  if (parked_.empty()) pool_->StopWaiting(this);
}

// True when it need not wait any more: it was sent, or has failed.
bool SocketChannel::TryParked(Parked* parked, int64_t now) {
  parked->round.commands = parked->commands;
  switch (TrySend(parked->round)) {
    case Sending::kSent:
      return true;
    case Sending::kAfterOwn:
      parked->until_ns = now + kParkNs;
      return false;
    case Sending::kNoConnection:
      break;
  }
  if (parked->until_ns > now) {
    patience_ns_ = std::min(patience_ns_, parked->until_ns);
    return false;
  }
  Letter letter;
  letter.invocation = parked->round.invocation;
  letter.round = parked->round.number;
  letter.failure = Code::REDIS_UNAVAILABLE;
  letter.message = "no connection to Redis came up within 1 s";
  Deliver(std::move(letter));
  return true;
}

// What is parked is not sent for nobody.
void SocketChannel::Forget(uint64_t invocation) {
  std::erase_if(parked_, [&](const Parked& parked) { return parked.round.invocation == invocation; });
}

bool SocketChannel::Receive(const std::function<void(const Replies&)>& on_replies) {
  if (!parked_.empty()) SendParked();
  if (!HasReplies()) return false;
  {
    const std::lock_guard lock(inbox_mutex_);
    taken_.swap(inbox_);
    has_inbox_.store(false, std::memory_order_release);
  }
  for (const Letter& letter : taken_) {
    if (letter.whole) NoteWhole(letter);
    on_replies({letter.invocation, letter.round, letter.count, letter.bytes, letter.failure, letter.message});
  }
  taken_.clear();
  return true;
}

// While it sleeps, whoever stops reading may choose this one to read on: it does, and comes back only when it
// has something else to do. Then it passes the reading on.
void SocketChannel::Sleep(int64_t until_ns, const std::function<bool()>& ready) {
  if (!parked_.empty()) until_ns = std::min(until_ns, patience_ns_);
  bool may_be_chosen = false;
  do {
    const Reading reading = ReadUntil(until_ns, ready);
    if (reading == Reading::kNowhere) WaitUntil(until_ns, ready);
    may_be_chosen |= reading != Reading::kEverywhere;
    // What is parked may find a connection now.
  } while (parked_.empty() && !ready() && !HasReplies() && (until_ns == INT64_MAX || NowNs() < until_ns));
  if (may_be_chosen) PassReading();
}

void SocketChannel::WaitUntil(int64_t until_ns, const std::function<bool()>& ready) {
  AnnounceSleep(bell_, Sleep::kOnFutex);
  // Whoever read may have stopped between `ReadUntil` and the announcement.
  if (ready() || HasReplies() || HasUnreadPlace()) {
    CancelSleep(bell_);
    return;
  }
  SleepOnFutex(bell_, until_ns);
}

void SocketChannel::PassReading() {
  for (size_t index = 0; index < rounds_on_.size(); index++) {
    if (rounds_on_[index] > 0) pool_->at(index).PassReading(this);
  }
}

// Reads for everybody where rounds of this channel are out and nobody else reads, until it has something, the
// bell rings or `until_ns`.
SocketChannel::Reading SocketChannel::ReadUntil(int64_t until_ns, const std::function<bool()>& ready) {
  size_t places = 0, reading = 0;
  for (size_t index = 0; index < rounds_on_.size(); index++) {
    if (rounds_on_[index] == 0) continue;
    places++;
    if (pool_->at(index).BeginReading(&watched_[reading])) reading_[reading++] = index;
  }
  if (reading == 0) return Reading::kNowhere;
  const Reading began = reading == places ? Reading::kEverywhere : Reading::kSomewhere;
  for (bool done = false; reading > 0;) {
    // The bell last: for what comes after one that is ready the kernel does not prepare to wait.
    pollfd& bell = watched_[reading];
    // Nobody else polls it: a connection has one reader.
    const auto number = static_cast<uint32_t>(reading_[0]);
    bell = {eventfds_[number], POLLIN, 0};
    AnnounceSleep(bell_, Sleep::kOnDescriptor, number);
    // Where another reads, that one may have stopped before the announcement.
    if (!ready() && !HasReplies() && (reading == places || !HasUnreadPlace())) {
      timespec patience = {};
      const int64_t left = until_ns == INT64_MAX ? INT64_MAX : std::max<int64_t>(until_ns - NowNs(), 0);
      patience.tv_sec = left / 1'000'000'000;
      patience.tv_nsec = left % 1'000'000'000;
      ppoll(watched_.data(), reading + 1, until_ns == INT64_MAX ? nullptr : &patience, nullptr);
    } else {
      done = true;
    }
    CancelSleep(bell_);
    if ((bell.revents & POLLIN) != 0) {
      uint64_t rung = 0;
      [[maybe_unused]] const ssize_t bytes = read(bell.fd, &rung, sizeof rung);
      done = true;
    }
    done |= ready() || (until_ns != INT64_MAX && NowNs() >= until_ns);
    size_t going_on = 0;
    for (size_t i = 0; i < reading; i++) {
      if (!pool_->at(reading_[i]).GoOnReading(this, &watched_[i], &done)) continue;
      reading_[going_on] = reading_[i];
      watched_[going_on++] = watched_[i];
    }
    reading = going_on;
    if (!done) continue;
    for (; reading > 0; reading--) pool_->at(reading_[reading - 1]).EndReading(this);
  }
  return began;
}

bool SocketChannel::HasUnreadPlace() {
  for (size_t index = 0; index < rounds_on_.size(); index++) {
    if (rounds_on_[index] > 0 && pool_->at(index).wants_reader()) return true;
  }
  return false;
}

}  // namespace locus
