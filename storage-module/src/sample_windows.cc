#include "sample_windows.h"

#include <algorithm>

#include "bell.h"
#include "json_text.h"
#include "module.h"

namespace locus {

SampleWindows::SampleWindows(Timers* timers) : timers_(timers), taken_ns_(NowNs()) {}

void SampleWindows::Ran(const FunctionImage& image, const Outcome& outcome, int64_t elapsed_ns, bool fixed) {
  in_flight_--;
  if (tally_.empty()) first_ns_ = NowNs();
  tally_.Record(image.name, image.version, outcome.code, outcome.usage, elapsed_ns, fixed);
  if (!takers_.empty()) Arm();
}

int SampleWindows::Take(RedisModuleCtx* context, int64_t timeout_ms) {
  if (timeout_ms == 0) return ReplyText(context, TakeJson());
  if (const Failure failure = CheckByItself(context, "LOCUS.NODE SAMPLES"))
    return ReplyFailure(context, failure);
  if (takers_.size() >= kSampleTakersMax)
    return ReplyFailure(
        context, {Code::OVERLOADED,
                  std::to_string(kSampleTakersMax) + " clients wait for samples already: try again later"});
  RedisModuleBlockedClient* client = redis::BlockClient(context, OnEnd, nullptr, OnDone, 0);
  redis::SetDisconnectCallback(client, OnDisconnect);
  takers_.push_back(
      {client, timers_->Set(NowNs() + timeout_ms * kMs, [this, client] { Answer(Find(client)); })});
  if (!tally_.empty()) Arm();
  return redis::kOk;
}

/// Ends the window in time for the taker that waits longest.
void SampleWindows::Arm() {
  if (armed_) return;
  armed_ = true;
  timers_->Set(first_ns_ + SampleWindowNs(tally_.size()), [this] { OnWindow(); });
}

void SampleWindows::OnWindow() {
  armed_ = false;
  // Who waited may be gone, or may have had it all when its time was over.
  if (takers_.empty() || tally_.empty()) return;
  // It has more tallies than it had, or is another one.
  if (first_ns_ + SampleWindowNs(tally_.size()) > NowNs()) return Arm();
  Answer(takers_.begin());
}

void SampleWindows::Answer(std::deque<Taker>::iterator taker) {
  timers_->Stop(taker->timer);
  redis::UnblockClient(taker->client, new std::string(TakeJson()));
  takers_.erase(taker);
}

std::deque<SampleWindows::Taker>::iterator SampleWindows::Find(const RedisModuleBlockedClient* client) {
  return std::ranges::find(takers_, client, &Taker::client);
}

std::string SampleWindows::TakeJson() {
  const int64_t now = NowNs();
  std::string json = "{";
  AppendJsonName(&json, "stretchMs");
  json.append(std::to_string((now - taken_ns_) / kMs));
  AppendJsonNumber(&json, "inFlight", in_flight_);
  tally_.Take(&json);
  json.push_back('}');
  taken_ns_ = now;
  return json;
}

int SampleWindows::OnEnd(RedisModuleCtx* context, RedisModuleString**, int) {
  return ReplyText(context, *static_cast<const std::string*>(redis::GetBlockedClientPrivateData(context)));
}

void SampleWindows::OnDisconnect(RedisModuleCtx*, RedisModuleBlockedClient* client) {
  SampleWindows& windows = TheModule().samples;
  const auto taker = windows.Find(client);
  if (taker == windows.takers_.end()) return;  // it has been answered, and is on its way
  windows.timers_->Stop(taker->timer);
  windows.takers_.erase(taker);
  redis::UnblockClient(client, nullptr);
}

void SampleWindows::OnDone(RedisModuleCtx*, void* json) {
  delete static_cast<std::string*>(json);
}

int CommandNodeSamples(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  int64_t timeout_ms = 0;
  if (const Failure failure = ReadNumber("timeoutMs", TextOf(argv[2]), 0, kSampleTimeoutMsMax, &timeout_ms))
    return ReplyFailure(context, failure);
  return TheModule().samples.Take(context, timeout_ms);
}

}  // namespace locus
