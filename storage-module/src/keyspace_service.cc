#include "keyspace_service.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "resp.h"

namespace locus {

namespace {

/// Rounds kept for reuse: their buffers are warm. One with large buffers is not kept.
constexpr size_t kSpareRoundsMax = 64;
constexpr size_t kSpareRoundBytesMax = 64 * 1024;
/// A reply buffer that has grown past this is given back.
constexpr size_t kKeptFrameBytesMax = 1 << 20;
/// Operations between two looks at the clock.
constexpr int kClockOperations = 8;

}  // namespace

KeyspaceService::Lane& KeyspaceService::LaneAt(Place place) {
  if (place.host >= lanes_.size()) lanes_.resize(place.host + 1);
  std::deque<Lane>& lanes = lanes_[place.host];
  if (lanes.size() <= place.lane) lanes.resize(place.lane + 1);
  return lanes[place.lane];
}

// ---- Collecting

bool KeyspaceService::Collect(int64_t now) {
  bool found = false;
  supervisor_->ForEachReadyOperations([&](Place place, HostLane& ring) {
    found = true;
    CollectLane(place, ring);
  });
  // After the ready words were taken: one of them may say that a full ring has room again.
  for (const Place place : std::exchange(revisit_, {})) {
    Lane& lane = LaneAt(place);
    HostLane* ring = supervisor_->LaneAt(place);
    lane.listed = false;
    if (lane.full && (ring == nullptr || ring->replies.Flush())) {
      found = true;
      Unblock(lane);
    }
    if (ring != nullptr) {
      if (lane.unread) CollectLane(place, *ring);
      CheckRings(place, *ring);
      ring->Ring();
    }
    if (lane.full || lane.unread) Revisit(place);
  }
  if (!paused_.empty() && now >= paused_retry_ns_) {
    ready_.insert(ready_.end(), paused_.begin(), paused_.end());
    paused_.clear();
  }
  Publish();
  return found;
}

void KeyspaceService::Revisit(Place place) {
  Lane& lane = LaneAt(place);
  if (!std::exchange(lane.listed, true)) revisit_.push_back(place);
}

void KeyspaceService::Unblock(Lane& lane) {
  lane.full = false;
  ready_.insert(ready_.end(), lane.blocked.begin(), lane.blocked.end());
  lane.blocked.clear();
}

void KeyspaceService::CollectLane(Place place, HostLane& ring) {
  Lane& lane = LaneAt(place);
  lane.unread = false;
  bool room_wanted = false;
  Frame frame;
  for (;;) {
    if (rounds_bytes_ >= kRoundsBytesMax || lane.rounds.size() >= kLaneRoundsMax) {
      lane.unread = true;
      Revisit(place);
      break;
    }
    if (!ring.operations.Read(&frame)) break;
    std::unique_ptr<OperationRound> round;
    if (spare_.empty()) {
      round = std::make_unique<OperationRound>();
    } else {
      round = std::move(spare_.back());
      spare_.pop_back();
    }
    const bool sound = frame.kind == static_cast<uint16_t>(Operations::kRound) &&
                       round->Read(frame.id, place, frame.payload);
    room_wanted |= ring.operations.Release();
    if (!sound) {
      supervisor_->CondemnHost(place.host, "sent a round of operations that is none");
      return;
    }
    if (const InFlight* flight = supervisor_->FindInFlight(round->invocation(), place)) {
      round->start = flight->starts;
      Enqueue(std::move(round));
    } else {
      Keep(std::move(round));  // answered meanwhile: nobody waits for it
    }
  }
  room_wanted |= ring.operations.TakeProducerWake();
  if (room_wanted) ring.Ring();
  CheckRings(place, ring);
}

void KeyspaceService::CheckRings(Place place, const HostLane& ring) {
  if (ring.operations.broken() || ring.replies.broken())
    supervisor_->CondemnHost(place.host, "broke the rules of the operation rings");
}

void KeyspaceService::Enqueue(std::unique_ptr<OperationRound> owned) {
  OperationRound* round = owned.get();
  Lane& lane = LaneAt(round->place());
  rounds_bytes_ += round->bytes();
  // Of the same start only: what is left of one before is dropped, with those that follow it.
  const auto before = std::find_if(lane.rounds.rbegin(), lane.rounds.rend(), [&](const auto& other) {
    return other->invocation() == round->invocation() && other->start == round->start;
  });
  if (before == lane.rounds.rend()) {
    ready_.push_back(round);
  } else {
    (*before)->follower = round;
  }
  lane.rounds.push_back(std::move(owned));
}

// ---- Serving

KeyspaceService::Served KeyspaceService::Serve(int64_t hold_ns) {
  const int64_t start = NowNs();
  int64_t now = start;
  wrote_ = false;
  while (!ready_.empty() && now - start < hold_ns) {
    OperationRound* round = ready_.front();
    ready_.pop_front();
    const Place place = round->place();
    Lane& lane = LaneAt(place);
    InFlight* flight = supervisor_->FindInFlight(round->invocation(), place);
    HostLane* ring = supervisor_->LaneAt(place);
    if (flight == nullptr || ring == nullptr || flight->starts != round->start) {
      Drop(round);
      continue;
    }
    if (lane.full) {
      lane.blocked.push_back(round);
      continue;
    }
    runner_->Become(static_cast<const Caller&>(*flight->call.principal), now);
    const Turn turn = RunTurn(*round, *flight, *ring, start + hold_ns);
    const int64_t end = NowNs();
    flight->lock_ns += end - now;
    now = end;
    if (ring->replies.pending_bytes() > 0) {
      lane.full = true;
      Revisit(place);
      CheckRings(place, *ring);
    }
    if (turn == Turn::kFinished) {
      Finish(round);
    } else if (turn == Turn::kGoOn) {
      ready_.push_back(round);
    } else if (turn == Turn::kRingFull) {
      lane.blocked.push_back(round);
    } else {
      counters_->paused_writes++;
      paused_retry_ns_ = now + kPausedRetryNs;
      paused_.push_back(round);
    }
  }
  runner_->Leave();
  Publish();
  const int64_t held_ns = now - start;
  counters_->holds++;
  counters_->lock_ns += held_ns;
  counters_->hold_max_ns = std::max(counters_->hold_max_ns, held_ns);
  return {held_ns, now, wrote_};
}

KeyspaceService::Turn KeyspaceService::RunTurn(OperationRound& round, InFlight& flight, HostLane& ring,
                                               int64_t until_ns) {
  frame_.resize(sizeof(RoundHeader));
  uint32_t count = 0;
  Turn turn = Turn::kFinished;
  for (int done = 0; !round.finished(); done++) {
    const bool time_over = done > 0 && done % kClockOperations == 0 && NowNs() >= until_ns;
    if (done == kTurnOperationsMax || time_over) {
      turn = Turn::kGoOn;
      break;
    }
    if (!RunOperation(round, flight)) {
      turn = Turn::kPaused;
      break;
    }
    count++;
    if (count < kReplyFrameOperations && frame_.size() < kReplyFrameBytes) continue;
    const bool room = SendReplies(round, ring, std::exchange(count, 0));
    if (!round.finished()) ring.Ring();
    if (!room && !round.finished()) {
      turn = Turn::kRingFull;
      break;
    }
  }
  if (count > 0) SendReplies(round, ring, count);
  Lane& lane = LaneAt(round.place());
  if (!std::exchange(lane.ring, true)) to_ring_.push_back(round.place());
  return turn;
}

bool KeyspaceService::RunOperation(OperationRound& round, InFlight& flight) {
  const Operation& operation = round.next();
  if (operation.rule == nullptr) {
    counters_->refused++;
    AppendErrorReply(&frame_, Code::COMMAND_REFUSED, round.refusal(operation));
  } else if (round.reply_bytes >= kRepliesBytesMax) {
    AppendRepliesLimit(&frame_);
  } else {
    if (!IsRead(*operation.rule)) {
      // Writing while clients are paused would abort Redis.
      if (redis::AvoidReplicaTraffic() != 0) return false;
      flight.wrote = true;
      wrote_ = true;
    }
    const size_t before = frame_.size();
    if (runner_->Run(*operation.rule, round.words(operation), &frame_)) counters_->commands++;
    round.reply_bytes += frame_.size() - before;
    if (round.reply_bytes > kRepliesBytesMax) {
      frame_.resize(before);
      AppendRepliesLimit(&frame_);
    }
  }
  counters_->operations++;
  round.Advance();
  return true;
}

bool KeyspaceService::SendReplies(const OperationRound& round, HostLane& ring, uint32_t count) {
  const RoundHeader header = {round.number(), count};
  std::memcpy(frame_.data(), &header, sizeof header);
  const bool room =
      ring.replies.Write(static_cast<uint16_t>(Operations::kReplies), round.invocation(), frame_);
  frame_.resize(sizeof header);
  if (frame_.capacity() > kKeptFrameBytesMax) frame_.shrink_to_fit();
  return room;
}

bool KeyspaceService::RingBells() {
  bool woke = false;
  for (const Place place : to_ring_) {
    LaneAt(place).ring = false;
    if (HostLane* ring = supervisor_->LaneAt(place)) woke |= ring->Ring();
  }
  to_ring_.clear();
  return woke;
}

// ---- Rounds

void KeyspaceService::Finish(OperationRound* round) {
  counters_->rounds++;
  if (round->follower != nullptr) ready_.push_back(round->follower);
  Release(round);
}

// The invocation is over, with all that it still had to send.
void KeyspaceService::Drop(OperationRound* round) {
  while (round != nullptr) Release(std::exchange(round, round->follower));
}

void KeyspaceService::Release(OperationRound* round) {
  std::vector<std::unique_ptr<OperationRound>>& rounds = LaneAt(round->place()).rounds;
  rounds_bytes_ -= round->bytes();
  const auto found = std::ranges::find(rounds, round, &std::unique_ptr<OperationRound>::get);
  std::unique_ptr<OperationRound> owned = std::move(*found);
  rounds.erase(found);
  Keep(std::move(owned));
}

void KeyspaceService::Keep(std::unique_ptr<OperationRound> round) {
  if (spare_.size() < kSpareRoundsMax && round->bytes() <= kSpareRoundBytesMax)
    spare_.push_back(std::move(round));
}

}  // namespace locus
