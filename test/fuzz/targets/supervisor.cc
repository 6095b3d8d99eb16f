// A supervisor and a host that says anything: every call is answered once, whatever comes. The host is a
// process that sleeps; what it would write, the target writes.
#include "supervisor.h"

#include <deque>
#include <map>

#include "frames.h"
#include "target.h"

namespace locus {
namespace {

constexpr uint32_t kLanes = 4;
constexpr int kCallsMax = 32;

class Scene {
 public:
  Scene() : supervisor_(Options()) {}

  void Submit(uint8_t which) {
    if (calls_ == kCallsMax) return;
    auto image = std::make_shared<FunctionImage>();
    image->name = which % 2 == 0 ? "even" : "odd";
    image->version = "v";
    image->limits.concurrency = 1 + which % 3;
    Call call;
    call.image = std::move(image);
    call.keys = {"k"};
    call.args = "null";
    call.deadline_ns = NowNs() + 3'600'000'000'000;
    call.logs = true;
    call.back_cpu_ns = which % 4 == 0 ? 1'000 : 0;
    call.asks_to_write = which % 5 == 0;
    const int number = calls_++;
    call.done = [this, number](Outcome&& outcome) {
      EXPECT(++answers_[number] == 1);
      EXPECT(outcome.message.size() <= kErrorTextBytesMax + 1024 &&
             (outcome.back || outcome.result.find('\n') == std::string::npos));
    };
    const uint64_t id = supervisor_.Submit(std::move(call));
    if (id == 0) answers_[number]++;
    Learn(id);
  }
  void Check() {
    if (calls_ == kCallsMax) return;
    const int number = calls_++;
    supervisor_.Check("bundle", [this, number](CheckResult&&) { EXPECT(++answers_[number] == 1); });
  }
  void Cancel(uint64_t id) { supervisor_.Cancel(id); }
  void Poll() {
    supervisor_.Poll();
    for (uint32_t index = 0; index < kLanes; index++) {
      HostLane* lane = supervisor_.LaneAt({0, index});
      if (lane == nullptr) continue;
      // Whoever reads a ring from its beginning learns which numbers there are.
      RingConsumer in(lane->rings.invocations_in, kInvocationFrameBytesMax);
      Frame frame;
      while (in.Read(&frame)) {
        Learn(frame.id);
        in.Release();
      }
    }
  }

  void Say(uint32_t lane, uint16_t kind, uint64_t id, std::string_view payload) {
    HostLane* to = supervisor_.LaneAt({0, lane});
    if (to == nullptr) return;
    RingProducer out(to->rings.invocations_out);
    out.Write(kind, id, payload);
    Header(*to, lane)->outcome_ready.Mark(lane);
  }
  /// A word of the lane, or the ready bits.
  void Set(uint32_t lane, uint8_t which, uint64_t value) {
    HostLane* to = supervisor_.LaneAt({0, lane});
    if (to == nullptr) return;
    LaneWords* words = to->rings.words;
    switch (which % 7) {
      case 0:
        words->invocations_out.produced.store(value);
        break;
      case 1:
        words->invocations_in.consumed.store(value);
        break;
      case 2:
        words->turn_started_ns.store(static_cast<int64_t>(value));
        break;
      case 3:
        words->turn_invocation.store(value);
        break;
      case 4:
        words->wrote[value % kConcurrencyMax].store(value);
        break;
      case 5:
        Header(*to, lane)->outcome_ready.Mark(static_cast<uint32_t>(value % kLanesMax));
        break;
      case 6:
        words->computed_ns.store(value);
        break;
    }
  }

  /// Of those that are about, or any number.
  uint64_t Id(Input* input) {
    const auto which = input->Take<uint8_t>();
    if (which == 0xff || ids_.empty()) return input->Take<uint64_t>();
    return ids_[ids_.size() - 1 - which % ids_.size()];
  }

  void End() {
    supervisor_.Close(Code::SIDE_UNAVAILABLE, "over");
    for (int number = 0; number < calls_; number++) EXPECT(answers_[number] == 1);
    EXPECT(supervisor_.in_flight() == 0 && supervisor_.call_states().queued == 0);
  }

 private:
  SupervisorOptions Options() {
    SupervisorOptions options;
    // Beside the target: a program that sleeps, in the launcher's place.
    static const std::string sleeper = std::string(std::getenv("LOCUS_FUZZ_SLEEPER"));
    options.command.launcher_path = sleeper;
    options.isolates_max = kLanes - 1;
    options.queue_length_max = 8;
    options.operation_rings = true;
    options.on_log = [](std::string_view, std::string_view, uint64_t) {};
    options.on_write_asked = [this](uint64_t, uint64_t id) { supervisor_.AllowWrites(id); };
    return options;
  }
  static HostHeader* Header(const HostLane& lane, uint32_t index) {
    auto* bytes = reinterpret_cast<uint8_t*>(lane.rings.words - index);
    return reinterpret_cast<HostHeader*>(bytes - sizeof(HostHeader));
  }
  void Learn(uint64_t id) {
    ids_.push_back(id);
    if (ids_.size() > 64) ids_.pop_front();
  }

  std::deque<uint64_t> ids_;
  int calls_ = 0;
  int answers_[kCallsMax] = {};
  Supervisor supervisor_;
};

}  // namespace
}  // namespace locus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Scene scene;
  scene.Poll();
  for (Input input(data, size); !input.empty();) {
    const auto step = input.Take<uint8_t>();
    const uint32_t lane = (step >> 4) % kLanes;
    switch (step % 16) {
      case 0:
        scene.Submit(input.Take<uint8_t>());
        break;
      case 1:
        scene.Check();
        break;
      case 2:
        scene.Cancel(scene.Id(&input));
        break;
      case 3:
        scene.Set(lane, input.Take<uint8_t>(), input.Take<uint64_t>());
        break;
      case 4:
        scene.Say(kControlLane, static_cast<uint16_t>(Control::kReady), 0, "{}");
        break;
      case 5:
        scene.Say(kControlLane, static_cast<uint16_t>(Control::kOpened), scene.Id(&input), input.TakeText());
        break;
      case 6:
        scene.Say(kControlLane, static_cast<uint16_t>(Control::kOpenFailed), scene.Id(&input),
                  input.TakeText());
        break;
      case 7:
        scene.Say(kControlLane, static_cast<uint16_t>(Control::kClosed), lane, input.TakeText());
        break;
      case 8: {
        OutcomeFrame outcome = {};
        outcome.header.code = input.Take<uint8_t>() % 4;
        outcome.header.retire = input.Take<uint8_t>() & 1;
        const auto flags = input.Take<uint8_t>();
        outcome.header.lost = flags & 1;
        outcome.header.back = flags >> 1 & 1;
        outcome.result = input.TakeText();
        scene.Say(lane, static_cast<uint16_t>(FromIsolate::kOutcome), scene.Id(&input),
                  WriteOutcome(outcome));
        break;
      }
      case 9:
        scene.Say(lane, static_cast<uint16_t>(FromIsolate::kLog), scene.Id(&input), input.TakeText());
        break;
      case 10:
        scene.Say(lane, input.Take<uint16_t>(), scene.Id(&input), input.TakeText());
        break;
      case 11:
        scene.Say(lane, static_cast<uint16_t>(FromIsolate::kAsksToWrite), scene.Id(&input), "");
        break;
      default:
        scene.Poll();
    }
  }
  scene.Poll();
  scene.End();
  return 0;
}
