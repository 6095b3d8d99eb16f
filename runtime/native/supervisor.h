// The supervisor of sandbox hosts, the same on both sides: the Redis module links it, the node uses it
// through an addon.
//
// It starts hosts, gives each invocation to an isolate (starting one where that helps), delivers outcomes,
// answers deadlines and cancellations even when an isolate cannot, and restarts what dies. One thread, the
// owner, calls `Poll`; any thread may `Submit` and `Cancel`. Callbacks run on the owner's thread, without the
// supervisor's lock.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codes.h"
#include "cores.h"
#include "host_process.h"
#include "lane.h"
#include "memory_watch.h"
#include "recent_most.h"
#include "recent_use.h"

namespace locus {

struct Limits {
  uint32_t deadline_ms = 5000;
  uint32_t cpu_ms = 5000;
  uint32_t memory_mb = 64;
  uint32_t operations = 1000000;
  uint32_t concurrency = 32;
};

/// A function in one version, as needed to start an isolate for it. Immutable and shared.
struct FunctionImage {
  std::string name;
  std::string version;
  std::string bundle;
  Limits limits;
  bool tried = false;  ///< it is not deployed, and its limits are those of whoever tries it

  /// What has it in common shares isolates, and quarantine.
  std::string key() const;
};

struct Usage {
  UsageWire isolate = {};
  int64_t wall_ns = 0;
  int64_t queue_ns = 0;
  int64_t start_ns = 0;  ///< of that: while the isolate that it got was being opened
  int64_t lock_ns = 0;
};

struct Outcome {
  Code code = Code::kOk;
  std::string result;   ///< JSON text, when ok
  std::string message;  ///< otherwise
  std::string stack;
  /// Pushed back: `result` has the read set, and it is to run elsewhere (`Call::known`).
  bool back = false;
  Usage usage;
  std::vector<std::string> logs;
};

/// For whom an invocation runs, as the keyspace service sees it; the supervisor only carries it.
struct Principal {
  virtual ~Principal() = default;
};

struct Call {
  std::shared_ptr<const FunctionImage> image;
  std::vector<std::string> keys;
  std::string args;         ///< JSON text
  int64_t deadline_ns = 0;  ///< NowNs() clock
  bool logs = false;        ///< keep the lines for the outcome
  /// Pushed back when it has computed for so long and has sent nothing but reads; 0: never.
  int64_t back_cpu_ns = 0;
  std::string known;  ///< the read set of a run that was pushed back
  /// Whose replies in the read cache it may have; 0: nobody's.
  uint32_t reader = 0;
  /// It sends nothing but reads before `AllowWrites`; `SupervisorOptions::on_write_asked` says when to.
  bool asks_to_write = false;
  uint64_t number = 0;  ///< the owner's own, told with each line; not 0 where lines are to be told apart
  std::shared_ptr<Principal> principal;
  std::function<void(Outcome&&)> done;  ///< called exactly once, on the owner's thread
};

/// How many isolates of a function version there are, whatever its calls ask for. None at all: as many as
/// calls are worth, until their lanes are needed.
struct IsolateBounds {
  /// Open at all times. Others' idle isolates make room for them, and not the other way round while others
  /// can.
  uint32_t min = 0;
  /// Besides those that take no more calls and finish up. What calls have opened is never more than
  /// `SupervisorOptions::spread`; 0: that, or `min` where it is more.
  uint32_t max = 0;

  bool any() const { return min != 0 || max != 0; }
};

/// What became of a wish for isolates.
struct KeepResult {
  Code code = Code::kOk;
  std::string message;
};

/// What a host said of a bundle: the description (JSON), or why not.
struct CheckResult {
  Code code = Code::kOk;
  std::string description;
  std::string message;
};

struct SupervisorOptions {
  HostCommand command;
  /// Memory of the isolates in one host: idle ones make room beyond it. Busy ones may exceed it.
  uint64_t isolate_bytes_max = uint64_t{256} << 20;
  /// Isolates in one host at most, each of which is a thread. 0: as many as that memory may hold.
  uint32_t isolates_max = 0;
  /// Isolates of one function that are worth starting: the cores.
  uint32_t spread = AvailableCores();
  uint32_t queue_length_max = 1024;
  bool operation_rings = false;
  /// Whoever serves the operations sets `InFlight::wrote` itself, before it runs a write: then that alone
  /// counts, and not the isolate's mark, which is there already when a round has been sent and not served.
  bool writes_are_tracked = false;
  /// With operation rings: the descriptor of a read cache for the host (read_cache.h), and its bytes. -1: none.
  /// The caller's, and open while the supervisor is there. What is in quarantine gets none.
  int read_cache = -1;
  size_t read_cache_bytes = 0;
  /// `call`: its `Call::number`, 0 where it is no function that speaks.
  std::function<void(std::string_view source, std::string_view text, uint64_t call)> on_log;
  /// A call that `asks_to_write` has something to send that is no read, and waits; again after a run that was
  /// lost. `number`: its `Call::number`.
  std::function<void(uint64_t number, uint64_t id)> on_write_asked;
  /// Compute side: a host is up and wants `connections` descriptors (`SendDescriptor`), or lost one.
  std::function<void(uint32_t host, uint32_t connection, std::string_view lost)> on_connection_wanted;
  uint32_t connections = 0;
};

/// A lane of a host: where an invocation is.
struct Place {
  uint32_t host = 0;
  uint32_t lane = 0;  ///< 0: nowhere, it is queued
};

/// When an isolate is woken for the call that it got.
enum class Wake { kNow, kLater };

/// One invocation on its way.
struct InFlight {
  uint64_t id = 0;
  Call call;
  int64_t submitted_ns = 0;
  int64_t dispatched_ns = 0;
  int64_t start_ns = 0;  ///< as in Usage
  int64_t lock_ns = 0;
  Place place;
  bool answered = false;  ///< the caller has its outcome (deadline, cancel); the isolate may still be at it
  bool wrote = false;     ///< sent something other than reads, as far as the supervisor's side can tell
  bool asked = false;     ///< to write, since it was given to its isolate
  uint32_t starts = 0;    ///< how often it was given to an isolate
  size_t bytes = 0;       ///< of args and keys
  size_t log_bytes = 0;
  uint64_t log_lines_dropped = 0;
  std::vector<std::string> logs;
};

class Supervisor {
 public:
  explicit Supervisor(SupervisorOptions options);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // From any thread.

  /// Takes the call; its outcome comes from `Poll`. 0 when the queue is full or after `Close`: nothing was
  /// taken. With `Wake::kLater` an isolate that sleeps does so until `WakeIsolates`.
  uint64_t Submit(Call&& call, Wake wake = Wake::kNow);
  /// Wakes the isolates that got calls with `Wake::kLater`. A wake-up is a system call: one who takes many
  /// calls at a time wakes each isolate once.
  void WakeIsolates();
  /// Ends the invocation with `CANCELLED`. False when it is not in flight.
  bool Cancel(uint64_t id);
  /// The invocation that asked may write. One that has ended meanwhile does not matter.
  void AllowWrites(uint64_t id);
  /// Loads the bundle in a host and reads its definition. After `Close`: nothing, `done` is dropped.
  void Check(std::string bundle, std::function<void(CheckResult&&)> done);
  /// From now on these bounds hold for the image's version, in place of those before; what they make
  /// superfluous closes when it is idle. `done` comes on the owner's thread, once: when as many as are kept
  /// by then, of those asked for here, can take calls, or with what stands in the way: FUNCTION_INVALID,
  /// SANDBOX_DIED (hosts died while they loaded it, each time), OVERLOADED (no lane is to be had, or too many
  /// wait for isolates of the version already), SIDE_UNAVAILABLE. The bounds hold in any case, but for more
  /// than a host has lanes, and for a version too many that has any (OVERLOADED as well): those before stay.
  /// After `Close`: nothing, `done` is dropped.
  void Keep(const std::shared_ptr<const FunctionImage>& image, IsolateBounds bounds,
            std::function<void(KeepResult&&)> done);
  /// Until `until_ns` (NowNs() clock) calls have no more isolates of each of these functions opened than
  /// this, its versions together, in place of what was said before. Those beyond close: idle ones at once,
  /// busy ones when they are done, but for one of each version that has calls, or had one a second ago. Of
  /// other functions, and of all afterwards, there may be `SupervisorOptions::spread` of a version. What is
  /// tried belongs to no function. For owners that bound no versions (`Keep`). After `Close`: nothing.
  void Limit(std::unordered_map<std::string, uint32_t> isolates, int64_t until_ns);

  struct HostState {
    int pid = 0;
    const char* state = "gone";
    bool quarantine = false;
    uint32_t isolates = 0;
    uint32_t passing = 0;  ///< of these, that take no calls: they open, close, or finish up
    uint64_t isolate_bytes = 0;  ///< that they hold, but for those that close
    uint32_t in_flight = 0;
    uint64_t restarts = 0;
    uint64_t resident_bytes = 0;
    uint64_t cpu_us = 0;   ///< of all its threads, since it was started
    /// That its isolates have found in the read cache, as they tell, and as those before it told.
    uint64_t cached_operations = 0;
    uint64_t known_operations = 0;  ///< of these, whose values they had
    std::string last_end;  ///< how the one before ended
    std::string about;     ///< what it said of itself when it came up (JSON)
  };
  std::vector<HostState> host_states();
  /// Isolates of the mean size of those that are open, or of a usual one, that the memory of a host has room for.
  uint32_t isolates_max();
  /// CPU time of all hosts that there are and were, µs. Never falls.
  uint64_t cpu_us();
  struct FunctionState {
    std::string name;
    std::string version;
    IsolateBounds bounds;
    uint32_t isolates = 0;  ///< that take calls
    /// The most that its isolates have held lately, of heap and buffers, as they tell and as far as they may.
    uint64_t memory_bytes = 0;
    /// Of its calls that isolates have answered, since it had its first isolate or bounds and has had one of
    /// both.
    uint64_t cpu_ns = 0;
  };
  /// The versions that have isolates, bounds, or calls that wait.
  std::vector<FunctionState> function_states();
  /// Of the image's version alone; none where it has none of those.
  std::optional<FunctionState> function_state(const FunctionImage& image);
  /// Of a function, its versions together.
  struct Load {
    uint32_t isolates = 0;      ///< those that open, or finish up, as well
    uint32_t busy = 0;          ///< of these, with calls
    uint32_t waiting = 0;       ///< calls that have no isolate, or one that had another call before
    uint32_t isolates_max = 0;  ///< that calls may have opened now
  };
  using Loads = std::map<std::string, Load, std::less<>>;
  /// By name, of functions that have isolates, calls or a limit; none of what is tried.
  Loads loads();
  struct Counters {
    uint64_t deaths = 0;  ///< hosts that ended, but for those that nobody needed any more
    uint64_t killed_for_memory = 0;
    uint64_t killed_for_time = 0;
    uint64_t reruns = 0;       ///< invocations run again, unseen by their callers
    uint64_t quarantined = 0;  ///< times that a function was sent to quarantine
    uint64_t released = 0;     ///< times that one left it
    uint64_t pushed_back = 0;  ///< invocations that are to run elsewhere
  };
  Counters counters();
  /// Functions in quarantine now, as name@version.
  std::vector<std::string> quarantined();
  uint32_t in_flight();
  /// What the calls are at that have not been answered. Counted when it is asked for.
  struct CallStates {
    uint32_t queued = 0;    ///< wait for an isolate
    uint32_t starting = 0;  ///< the same, and the first one for their function is being opened
    uint32_t running = 0;   ///< in a turn
    uint32_t waiting =
        0;  ///< have an isolate, and are between two turns: for replies, a timer, or their turn
  };
  CallStates call_states();

  // From the owner's thread only.

  /// Does everything that is due: outcomes, deaths, deadlines, starts. Never blocks. True when it found
  /// something.
  bool Poll();
  /// Readable when `Poll` has something to do, provided that `PrepareSleep` said that sleep is right.
  int descriptor() const { return epoll_.get(); }
  /// Announces sleep to all hosts. False when there is work already: then poll instead. `next_ns`: when to
  /// wake at the latest (NowNs() clock; INT64_MAX: no need).
  bool PrepareSleep(int64_t* next_ns);
  void CancelSleep();
  /// Whether an invocation is in an isolate now: worth spinning for a moment before sleep.
  bool busy() const { return dispatched_.load(std::memory_order_relaxed) > 0; }

  /// For the keyspace service: every lane with operations waiting. Empties the ready words.
  template <typename F>
  void ForEachReadyOperations(F&& f) {
    for (uint32_t index = 0; index < hosts_.size(); index++) {
      if (!hosts_[index]->process->alive()) continue;
      hosts_[index]->process->header()->operations_ready.Take([&](uint32_t lane) {
        HostLane* const ring = lane == kControlLane ? nullptr : LaneAt({index, lane});
        if (ring != nullptr) f(Place{index, lane}, *ring);
      });
    }
  }
  /// The rings of a lane, when its host is alive and an isolate is there. Valid until the next `Poll`.
  HostLane* LaneAt(Place place) {
    if (place.host >= hosts_.size()) return nullptr;
    HostProcess& process = *hosts_[place.host]->process;
    if (!process.alive() || place.lane >= process.lane_count()) return nullptr;
    HostLane& lane = process.lane(place.lane);
    return lane.open.load(std::memory_order_acquire) ? &lane : nullptr;
  }
  bool HasReadyOperations() const;
  /// Tells the hosts which core the keyspace service runs on; -1: it is about to sleep.
  void PublishCore(int32_t core) {
    for (const auto& host : hosts_) {
      if (host->process->alive())
        host->process->header()->service_core.store(core, std::memory_order_relaxed);
    }
  }
  /// Whether its owner may look for operations without pause: an isolate that makes them has another core.
  bool may_spin() const { return may_spin_.load(std::memory_order_relaxed); }
  /// Whether a `Poll` would find something besides deaths and deadlines. Cheap: no lock, no system call.
  bool HasReadyOutcomes() const;
  /// The invocation, when it is in flight in that place and still wanted. Valid until the next `Poll`.
  InFlight* FindInFlight(uint64_t id, Place place);
  /// Ends the host at once: it broke the protocol.
  void CondemnHost(uint32_t host, std::string reason);
  /// Answers everything that is in flight or being checked with `code`, ends the hosts, and takes nothing
  /// more. Callbacks run before it returns.
  void Close(Code code, const std::string& message);
  /// Compute side: passes a connected descriptor to the host. False when it cannot take it now.
  bool SendDescriptor(uint32_t host, std::string_view message, int fd);

 private:
  enum class LaneState { kFree, kOpening, kReady, kClosing };
  struct Pool;
  struct Isolate {
    LaneState state = LaneState::kFree;
    Pool* pool = nullptr;  ///< null when it is free or closes
    uint32_t in_flight = 0;
    int64_t used_ns = 0;
    bool retire = false;
    uint32_t memory_mb = 0;
    bool bell_due = false;  ///< has an invocation that it was not woken for
    int64_t opening_ns = 0;
    int64_t opened_ns = 0;
    RecentMost memory_bytes = {};
    int64_t memory_seen_ns = 0;
    uint64_t charged_bytes = 0;  ///< its part of `Host::charged_bytes`
    /// The CPU time that its calls have told, end to end, from when it was last without any.
    int64_t cpu_told_until_ns = 0;
  };
  struct Host {
    /// Never null; one that is not alive where there is none.
    std::unique_ptr<HostProcess> process = std::make_unique<HostProcess>();
    std::vector<Isolate> isolates;  ///< by lane; [0] unused
    std::vector<uint32_t> free_lanes;
    uint64_t charged_bytes = 0;  ///< memory of its isolates, but for those that close
    uint64_t allowed_bytes = 0;  ///< what all its isolates may take by their limits
    uint64_t busy_bytes = 0;     ///< of these, those that have calls or close
    uint32_t closing = 0;        ///< isolates that close, or finish up for that
    uint32_t opening = 0;
    bool full = false;           ///< nothing has room, for the rest of this `DispatchWaiting`
    /// Functions that the process before had open and that were called lately, the most called last.
    std::vector<std::shared_ptr<const FunctionImage>> lost;
    bool ready = false;
    int64_t started_ns = 0;
    int64_t start_after_ns = 0;
    uint32_t start_failures = 0;
    uint64_t restarts = 0;
    uint64_t cached_operations = 0;  ///< of the processes before
    uint64_t known_operations = 0;   ///< of these too
    std::string condemned;
    bool lied = false;                         ///< broke a rule of the rings: nothing more of it is believed
    Code condemned_code = Code::SANDBOX_DIED;  ///< what its culprits get
    uint64_t culprit = 0;  ///< the invocation it was condemned for; 0: whoever was running
    std::string last_end;
    int64_t unused_since_ns = 0;  ///< of a quarantine host
    int32_t spinners = 0;         ///< isolates that may spin for the owner
    int64_t spinners_due_ns = 0;  ///< when to ask for that again
    int64_t output_due_ns = 0;    ///< when to read on what it writes; 0: when it writes
    std::string about;
  };
  /// A function that cost a process, until it has behaved.
  struct Quarantine {
    uint32_t host = 0;
    uint32_t good_invocations = 0;
    uint64_t since = 0;  ///< order of arrival
  };
  /// A `Keep` that has no answer yet.
  struct Wish {
    uint32_t min = 0;
    int64_t deadline_ns = 0;
    std::function<void(KeepResult&&)> done;
  };
  /// Whose isolates make room for one more.
  enum class Room {
    kNobodys,
    kSpare,   ///< idle ones beyond what is kept
    kAnyones  ///< those first, then idle ones that are kept, then the one with the least to do
  };
  struct Pool {
    std::string key;
    std::shared_ptr<const FunctionImage> image;
    uint32_t host = 0;
    std::vector<uint32_t> lanes;
    std::deque<uint64_t> queue;
    uint32_t failed_openings = 0;  ///< deaths of hosts while they loaded it, one after the other
    IsolateBounds bounds;
    std::vector<Wish> wishes;
    int64_t open_after_ns = 0;  ///< what is missing of `bounds.min` is opened then
    uint32_t failures = 0;      ///< to load it, one after the other
    uint64_t cpu_ns = 0;
    Use use;
    bool waits = false;  ///< it is in `waiting_`

    bool empty() const { return lanes.empty() && queue.empty() && wishes.empty() && !bounds.any(); }
  };
  enum class Source : uint32_t { kKick, kBell, kProcess, kOutput };

  struct Deadline {
    int64_t at_ns;
    uint64_t id;
    bool operator>(const Deadline& other) const { return at_ns > other.at_ns; }
  };
  /// An isolate being started, or a bundle being checked (lane 0).
  struct Opening {
    uint32_t host = 0;
    uint32_t lane = 0;
    std::string bundle;  ///< of a check, kept until a host is ready
    std::function<void(CheckResult&&)> done;
    int64_t deadline_ns = 0;
    bool sent = false;
    uint32_t starts = 0;
  };

  // supervisor_isolates.cc
  Pool& PoolOf(const std::shared_ptr<const FunctionImage>& image);
  bool TryDispatch(Pool& pool, InFlight& flight);
  void Dispatch(Pool& pool, uint32_t lane, InFlight& flight);
  void DispatchQueue(Pool& pool);
  void DispatchWaiting();
  void RingDueBells();
  bool OpenIsolate(Pool& pool, Room room);
  void Enqueue(Pool& pool, uint64_t id, bool first);
  /// Closes isolates until `bytes` more have room. False: they have none yet.
  bool MakeRoom(uint32_t host, uint64_t bytes, Room room);
  /// Closes the idle isolate that is worth least, but for that in `kept_lane`. False: none was closed.
  bool CloseOne(uint32_t host, Room room, uint32_t kept_lane = 0);
  bool SpareSuffices(uint32_t host, uint64_t bytes) const;
  uint64_t BytesMax(uint32_t host) const;
  void CountBusy(uint32_t host, const Isolate& isolate, bool busy);
  void Charge(Host& host, Isolate& isolate, uint64_t bytes);
  void FreeLane(uint32_t host, uint32_t lane);
  void Retire(Host& host, Isolate& isolate);
  double WorthOf(const Isolate& isolate, int64_t now) const;
  uint32_t HostOf(const std::string& key) const;
  void SendOpen(uint64_t id, Opening& opening);
  void SendPendingChecks();
  uint32_t ChecksUnderWay(uint32_t host) const;
  void CloseLane(uint32_t host, uint32_t lane);
  void RemoveFromPool(uint32_t host, uint32_t lane);
  void LeaveQueue(const InFlight& flight);
  void DropIfEmpty(Pool& pool);
  void FailQueue(Pool& pool, Code code, const std::string& message);
  void FollowMemoryLimit(uint32_t host);
  uint64_t MemoryOf(Place place, int64_t now);
  void ShrinkToBudget(Place answered);
  /// Isolates that a host can have, however little memory each holds.
  uint32_t LanesMax() const;

  // supervisor_bounds.cc
  /// Why they cannot be; empty where they can.
  std::string RefuseBounds(const std::string& key, const IsolateBounds& bounds) const;
  uint32_t UsableIn(const Pool& pool) const;
  uint32_t ReadyIn(const Pool& pool) const;
  bool MayOpen(const Pool& pool, uint32_t usable) const;
  /// None of what is tried.
  std::optional<uint32_t> LimitOf(const FunctionImage& image) const;
  uint32_t OpenOf(const std::string& name) const;
  void CountOpen(const FunctionImage& image, int64_t more);
  void CloseBeyondLimits();
  void CloseBeyond(const std::string& name, uint32_t most);
  void EndLimits(int64_t now);
  Loads CountLoads() const;
  bool IsSpare(const Isolate& isolate) const;
  void NoteTaken(const Isolate& isolate);
  void KeepIsolates(int64_t now);
  void OpenMissing(Pool& pool, int64_t now);
  void OpenLost(Host& host);
  void CloseSurplus(const std::string& key, IsolateBounds before);
  void GrantWishes(Pool& pool);
  /// Those that ask for more than `min`.
  void FailWishes(Pool& pool, uint32_t min, Code code, const std::string& message);
  void ExpireWishes(Pool& pool, int64_t now);
  void AnswerWish(Wish& wish, KeepResult&& result);

  // supervisor_frames.cc
  void PollHost(uint32_t index);
  /// Whether there was more than is taken at a time.
  bool PollLane(uint32_t host, uint32_t lane);
  void PollControl(uint32_t host);
  void OnOutcome(Place place, const Frame& frame);
  void OnLog(Place place, const Frame& frame);
  void OnWriteAsked(Place place, const Frame& frame);
  void OnControl(uint32_t host, const Frame& frame);
  void OnOpened(uint32_t host, const Frame& frame);
  void LoseInvocations(Place place, const std::string& why);

  // supervisor_hosts.cc
  static epoll_event EventOf(Source source, uint32_t host, uint32_t events);
  void PollHosts(int64_t now);
  void StartHosts();
  void TakeHost(uint32_t host, std::unique_ptr<HostProcess> process);
  void CountSpinners(Host& host, int64_t now);
  void LetGo(uint32_t host);
  void ForgetIsolates(Host& host, size_t lanes);
  void Condemn(uint32_t host, Code code, std::string reason);
  void CondemnAsLiar(uint32_t host, std::string reason);
  void OnMemoryExceeded(uint32_t host, int pid, uint64_t resident_bytes);
  void OnHostDown(uint32_t host, const std::string& how, int64_t now);
  void TakeOutput(Host& host, int64_t now);
  void NoteLost(uint32_t host, const std::vector<std::string>& culprits, int64_t now);
  void EndOpenings(uint32_t host, const std::string& how);
  bool IsCulprit(const Host& host, const InFlight& flight) const;
  bool IsInAnothersTurn(const Host& host, const InFlight& flight) const;
  bool HasWritten(const Host& host, const InFlight& flight) const;
  /// Whether its caller would not notice.
  bool MayRunAgain(const Host& host, const InFlight& flight) const;
  /// Answers and forgets invocations that were lost in the midst. Those that may run again are left and
  /// returned: to run, when their places are cleared away. Who is to blame never does, and is answered with
  /// `blame`.
  std::vector<InFlight*> EndLost(const Host& host, const std::vector<InFlight*>& lost,
                                 const std::string& what, std::optional<Code> blame);
  void RunAgain(InFlight& flight);
  void SendToQuarantine(const std::string& key);
  void NoteGoodInvocation(Pool& pool);
  bool HostIsNeeded(uint32_t host) const;

  // supervisor.cc
  bool TakesCalls(const Isolate& isolate) const;
  FunctionState StateOf(const Pool& pool, int64_t now);
  /// With the lock held; null where that isolate does not have it.
  InFlight* InFlightAt(uint64_t id, Place place);
  void Forget(uint64_t id);
  void RebuildDeadlines();
  void PollDeadlines(int64_t now);
  /// How far a call came whose isolate does not say so, in words and in the outcome's usage.
  std::string TellProgress(const InFlight& flight, int64_t now, Outcome* outcome) const;
  void PollOpenings(int64_t now);
  void Answer(InFlight& flight, Outcome&& outcome);
  void AnswerCheck(Opening& opening, CheckResult&& result);
  void Kick();
  void LogLater(std::string source, std::string text, uint64_t call = 0);

  SupervisorOptions options_;
  std::mutex mutex_;
  Descriptor epoll_;
  Descriptor kick_;  ///< eventfd: another thread has work for the owner
  std::atomic<bool> kicked_{false};
  std::atomic<bool> owner_sleeps_{false};
  std::atomic<uint32_t> dispatched_{0};
  std::atomic<bool> may_spin_{false};
  /// One, plus one per quarantined function. Only the owner adds.
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unordered_map<std::string, Pool> pools_;
  std::unordered_map<uint64_t, std::unique_ptr<InFlight>> flights_;
  std::unordered_map<uint64_t, Opening> openings_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  std::vector<Place> bells_due_;  ///< isolates to wake: see `Wake`
  // What is done once the lock is released: it takes milliseconds, and Redis' main thread may want the lock.
  std::vector<std::function<void()>> deliveries_;     ///< to call
  std::vector<uint32_t> to_start_;                    ///< hosts
  std::vector<std::unique_ptr<HostProcess>> let_go_;  ///< to destroy
  uint64_t next_id_ = 0;
  uint32_t queued_ = 0;
  std::vector<Pool*> waiting_;  ///< pools with calls in their queues, the first to wait first
  RecentUses uses_;
  uint64_t held_bytes_ = 0;         ///< args and keys of all that is in flight or waits
  bool keep_due_ = false;           ///< something has changed that may leave kept isolates missing
  int64_t keep_at_ns_ = INT64_MAX;  ///< when to look in any case, for limits as well
  std::unordered_map<std::string, uint32_t> limits_;
  int64_t limits_until_ns_ = INT64_MAX;
  int64_t limits_at_ns_ = INT64_MAX;  ///< when to close what is beyond limits and was in use until now
  /// Isolates by function, of all its versions; none of what is tried.
  std::unordered_map<std::string, uint32_t> open_by_name_;
  std::unordered_map<std::string, Quarantine> quarantined_;
  uint64_t quarantines_ = 0;
  uint64_t let_go_cpu_us_ = 0;
  Counters counters_;
  /// Last: its thread uses what is above.
  MemoryWatch memory_watch_;
  bool closed_ = false;
};

}  // namespace locus
