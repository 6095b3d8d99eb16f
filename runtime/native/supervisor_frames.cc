// What hosts say on their rings. Nothing in it is trusted: sizes, numbers and kinds are checked before use,
// and a host that breaks a rule is condemned.
#include "frames.h"
#include "supervisor.h"
#include "supervisor_bounds.h"

namespace locus {

namespace {

std::string ReasonIn(const Frame& frame) {
  return std::string(frame.payload.substr(0, kReasonBytesMax));
}

}  // namespace

void Supervisor::PollHost(uint32_t index) {
  Host& host = *hosts_[index];
  host.process->header()->outcome_ready.Take([&](uint32_t lane) {
    if (host.lied) return;
    if (lane >= host.process->lane_count()) {
      CondemnAsLiar(index, "named a lane that is not there");
    } else if (lane == kControlLane) {
      PollControl(index);
    } else if (host.process->lane(lane).open) {
      PollLane(index, lane);
    }
  });
}

bool Supervisor::PollLane(uint32_t index, uint32_t lane) {
  Host& host = *hosts_[index];
  HostLane& ring = host.process->lane(lane);
  Frame frame;
  bool ring_bell = false;
  int taken = 0;
  while (taken++ < kFramesPerPoll && ring.from_isolate.Read(&frame)) {
    const Place place{index, lane};
    switch (static_cast<FromIsolate>(frame.kind)) {
      case FromIsolate::kOutcome:
        OnOutcome(place, frame);
        break;
      case FromIsolate::kLog:
        OnLog(place, frame);
        break;
      case FromIsolate::kAsksToWrite:
        OnWriteAsked(place, frame);
        break;
      default:
        CondemnAsLiar(index, "sent an unknown kind of frame");
    }
    ring_bell |= ring.from_isolate.Release();
    if (host.lied) return false;
  }
  const bool more = taken > kFramesPerPoll;
  if (more) {
    // Others have their turn first; this one is looked at again in the next round.
    host.process->header()->outcome_ready.Mark(lane);
    kicked_.store(true);
  }
  ring_bell |= ring.from_isolate.TakeProducerWake();
  // Also after the last of a large frame has left: the isolate sleeps since it took the part before.
  const bool waited = ring.to_isolate.pending_bytes() > 0;
  ring.to_isolate.Flush();
  if (waited || ring_bell) ring.Ring();
  if (ring.from_isolate.broken() || ring.to_isolate.broken())
    CondemnAsLiar(index, "broke the rules of the ring");
  return more && !host.lied;
}

void Supervisor::OnOutcome(Place place, const Frame& frame) {
  Host& host = *hosts_[place.host];
  OutcomeFrame said;
  if (!ReadOutcome(frame.payload, &said)) {
    CondemnAsLiar(place.host, "sent a torn outcome");
    return;
  }
  // Copied before it is looked at. JSON as V8 writes it has no newline: whoever writes one result per line
  // must not get two.
  std::string result(said.result);
  const OutcomeHeader& header = said.header;
  const bool back = header.back != 0;
  if (!back && result.find('\n') != result.npos) {
    CondemnAsLiar(place.host, "sent a result of several lines");
    return;
  }
  InFlight* const found = InFlightAt(frame.id, place);
  if (found == nullptr) {
    CondemnAsLiar(place.host, "answered an invocation that it does not have");
    return;
  }
  InFlight& flight = *found;
  if (back && (header.code != 0 || result.size() > kReadSetBytesMax || flight.call.back_cpu_ns == 0 ||
               HasWritten(host, flight))) {
    CondemnAsLiar(place.host, "pushed an invocation back that has to be ended");
    return;
  }
  Isolate& isolate = host.isolates[place.lane];
  const int64_t now = NowNs();
  if (--isolate.in_flight == 0) CountBusy(place.host, isolate, false);
  isolate.used_ns = now;
  dispatched_.fetch_sub(1, std::memory_order_relaxed);
  if (header.retire != 0) {
    Retire(host, isolate);
    keep_due_ = true;
  }
  if (now - isolate.memory_seen_ns >= kMemoryLookNs) {
    MemoryOf(place, now);
    ShrinkToBudget(place);
  }
  const bool again = header.lost != 0 && MayRunAgain(host, flight);
  if (!flight.answered && !again) {
    Outcome outcome;
    outcome.code = static_cast<Code>(header.code);
    outcome.result = std::move(result);
    outcome.message = said.message;
    outcome.back = back;
    if (back) counters_.pushed_back++;
    if (header.lost != 0 && HasWritten(host, flight))
      outcome.message += " while it ran " + flight.call.image->name + ", which had sent writes";
    outcome.stack = said.stack;
    outcome.usage.isolate = header.usage;
    BoundSlowed(&outcome.usage.isolate);
    flight.log_lines_dropped += header.log_lines_dropped;
    Answer(flight, std::move(outcome));
  }
  Pool* const pool = isolate.pool;
  if (pool != nullptr) {
    // An isolate is one thread: it cannot have computed for longer than it had the call, nor for all its
    // calls together for longer than it had any.
    const int64_t since = std::max(flight.dispatched_ns, isolate.cpu_told_until_ns);
    const uint64_t cpu_ns = std::min(header.usage.cpu_ns, static_cast<uint64_t>(now - since));
    isolate.cpu_told_until_ns += static_cast<int64_t>(cpu_ns);
    pool->cpu_ns += cpu_ns;
    if (header.retire == 0) NoteGoodInvocation(*pool);
  }
  if (again) {
    RunAgain(flight);
  } else {
    Forget(frame.id);
  }
  if (isolate.retire && isolate.in_flight == 0 && isolate.state == LaneState::kReady) {
    CloseLane(place.host, place.lane);
  } else if (isolate.pool != nullptr && !isolate.pool->queue.empty()) {
    DispatchQueue(*isolate.pool);
  }
}

void Supervisor::OnWriteAsked(Place place, const Frame& frame) {
  InFlight* flight = InFlightAt(frame.id, place);
  if (flight == nullptr || !flight->call.asks_to_write) {
    CondemnAsLiar(place.host, "asked to write for an invocation that need not");
    return;
  }
  // Once for each run.
  if (flight->answered || flight->asked) return;
  flight->asked = true;
  deliveries_.emplace_back(
      [this, number = flight->call.number, id = frame.id] { options_.on_write_asked(number, id); });
}

void Supervisor::OnLog(Place place, const Frame& frame) {
  InFlight* const found = InFlightAt(frame.id, place);
  if (found == nullptr) return;
  InFlight& flight = *found;
  std::string line(frame.payload.substr(0, kLogLineBytesMax));
  // A line costs more than its bytes: an empty one is none for nothing.
  if (flight.log_bytes + line.size() >= kLogBytesMax) {
    flight.log_lines_dropped++;
    return;
  }
  flight.log_bytes += line.size() + 1;
  LogLater(flight.call.image->name, line, flight.call.number);
  if (flight.call.logs) flight.logs.push_back(std::move(line));
}

void Supervisor::PollControl(uint32_t index) {
  Host& host = *hosts_[index];
  HostLane& ring = host.process->lane(kControlLane);
  Frame frame;
  bool ring_bell = false;
  int taken = 0;
  while (ring.from_isolate.Read(&frame)) {
    if (++taken > kFramesPerPoll) return CondemnAsLiar(index, "flooded the control lane");
    OnControl(index, frame);
    ring_bell |= ring.from_isolate.Release();
    if (host.lied) return;
  }
  ring_bell |= ring.from_isolate.TakeProducerWake();
  const bool waited = ring.to_isolate.pending_bytes() > 0;
  ring.to_isolate.Flush();
  if (waited || ring_bell) ring.Ring();
  if (ring.from_isolate.broken() || ring.to_isolate.broken())
    CondemnAsLiar(index, "broke the rules of the ring");
}

void Supervisor::OnControl(uint32_t index, const Frame& frame) {
  Host& host = *hosts_[index];
  switch (static_cast<Control>(frame.kind)) {
    case Control::kReady:
      if (host.ready) break;
      host.ready = true;
      host.about = frame.payload.substr(0, kAboutBytesMax);
      keep_due_ = true;
      SendPendingChecks();
      for (uint32_t connection = 0; connection < options_.connections; connection++)
        deliveries_.emplace_back(
            [this, index, connection] { options_.on_connection_wanted(index, connection, ""); });
      return;
    case Control::kConnectionLost:
      if (frame.id < options_.connections)
        deliveries_.emplace_back([this, index, id = static_cast<uint32_t>(frame.id), lost = ReasonIn(frame)] {
          options_.on_connection_wanted(index, id, lost);
        });
      return;
    case Control::kClosed: {
      if (frame.id == 0 || frame.id >= host.isolates.size()) break;
      const auto lane = static_cast<uint32_t>(frame.id);
      if (!host.process->lane(lane).open) return CondemnAsLiar(index, "closed a lane without an isolate");
      Isolate& isolate = host.isolates[lane];
      if (isolate.state == LaneState::kOpening)
        return CondemnAsLiar(index, "closed an isolate that it has not opened");
      // Its last words lie on its own ring, which may be looked at after this one.
      for (int polls = 0; PollLane(index, lane); polls++) {
        if (polls > kLastWordsPollsMax)
          return CondemnAsLiar(index, "went on on the ring of an isolate that has gone");
      }
      if (host.lied) return;
      // One that is lost says so with its last outcomes: it was in a turn of one of them.
      if (isolate.in_flight > 0 && !isolate.retire)
        return CondemnAsLiar(index, "lost an isolate: " + ReasonIn(frame));
      // It may have got more after it had looked for the last time.
      LoseInvocations({index, lane}, ReasonIn(frame));
      if (isolate.state != LaneState::kClosing) RemoveFromPool(index, lane);
      FreeLane(index, lane);
      keep_due_ = true;
      return;
    }
    case Control::kOpened:
    case Control::kOpenFailed:
      OnOpened(index, frame);
      return;
    default:
      break;
  }
  CondemnAsLiar(index, "sent an unknown control frame");
}

// Those that the isolate never took, or did not answer: run again where nothing was written, as in a lost
// host.
void Supervisor::LoseInvocations(Place place, const std::string& why) {
  Host& host = *hosts_[place.host];
  if (host.isolates[place.lane].in_flight == 0) return;
  std::vector<InFlight*> lost;
  for (const auto& [id, flight] : flights_) {
    if (flight->place.host != place.host || flight->place.lane != place.lane) continue;
    if (--host.isolates[place.lane].in_flight == 0) CountBusy(place.host, host.isolates[place.lane], false);
    dispatched_.fetch_sub(1, std::memory_order_relaxed);
    lost.push_back(flight.get());
  }
  for (InFlight* flight : EndLost(host, lost, "the isolate was lost: " + why, std::nullopt))
    RunAgain(*flight);
}

void Supervisor::OnOpened(uint32_t index, const Frame& frame) {
  const auto found = openings_.find(frame.id);
  if (found == openings_.end() || found->second.host != index) return;  // given up on meanwhile
  Opening opening = std::move(found->second);
  openings_.erase(found);
  const bool ok = static_cast<Control>(frame.kind) == Control::kOpened;
  if (opening.lane == 0) {
    CheckResult result;
    if (ok) {
      result.description = frame.payload;
    } else {
      result.code = Code::FUNCTION_INVALID;
      result.message = frame.payload.substr(0, kErrorTextBytesMax);
    }
    AnswerCheck(opening, std::move(result));
    FollowMemoryLimit(index);
    SendPendingChecks();
    return;
  }
  Isolate& isolate = hosts_[index]->isolates[opening.lane];
  if (isolate.state != LaneState::kOpening) return;
  keep_due_ = true;
  Host& host = *hosts_[index];
  Pool* const pool = isolate.pool;
  if (ok) {
    host.opening--;
    isolate.state = LaneState::kReady;
    isolate.opening_ns = isolate.used_ns;
    isolate.used_ns = isolate.opened_ns = NowNs();
    if (isolate.retire) return CloseLane(index, opening.lane);
    if (pool == nullptr) return;
    pool->use.opening_ns = isolate.opened_ns - isolate.opening_ns;
    pool->failed_openings = 0;
    pool->failures = 0;
    pool->open_after_ns = 0;
    DispatchQueue(*pool);
    return;
  }
  // Calls wait on where the function has an isolate that works; one more may come up too slowly on a busy
  // machine.
  if (pool != nullptr) {
    const std::string why(frame.payload.substr(0, kErrorTextBytesMax));
    if (pool->lanes.size() == 1) {
      FailQueue(*pool, Code::FUNCTION_INVALID, why);
      FailWishes(*pool, 0, Code::FUNCTION_INVALID, why);
    }
    pool->open_after_ns = NowNs() + PauseNs(pool->failures++);
  }
  RemoveFromPool(index, opening.lane);
  FreeLane(index, opening.lane);
}

}  // namespace locus
