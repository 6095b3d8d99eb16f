// The loop on an isolate's own thread: takes invocations from the lane, runs the function, sends its
// operations in rounds, hands replies back, answers. One turn at a time: an event (an invocation, a round's
// replies, a timer), then the microtask queue until it is empty, then whatever operations that produced leave
// as one round. Draining the queue from outside is what lets chains behind different numbers of awaits share
// their rounds.
#pragma once

#include <v8.h>

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "channel.h"
#include "codes.h"
#include "command_table.h"
#include "core_pace.h"
#include "guest_found.h"
#include "guest_rounds.h"
#include "guest_values.h"
#include "host.h"
#include "lane.h"
#include "read_set.h"

namespace locus {

/// A round that waits for leave to write.
struct HeldRound {
  uint32_t number = 0;
  uint32_t operations = 0;
  bool writes = false;
  std::string commands;
};

/// A promise that was rejected while nobody had it.
struct LoneRejection {
  v8::Global<v8::Promise> promise;
  std::string reason;  ///< as its log line shows it; read at the end of the turn
};

/// What became of a write that had no handler.
struct UnheardFailure {
  Code code = Code::kOk;
  std::string message;
};

struct GuestInvocation {
  uint64_t id = 0;
  uint32_t slot = 0;
  int64_t started_ns = 0;
  int64_t deadline_ns = 0;
  int64_t cpu_limit_ns = 0;
  int64_t back_cpu_ns = 0;  ///< as in `InvokeHeader`
  uint32_t operations_max = 0;
  bool asks_to_write = false;  ///< and has no leave yet
  uint32_t reader = 0;         ///< as in `InvokeHeader`
  UsageWire usage = {};
  int64_t waiting_since_ns = 0;
  bool marked = false;  ///< `LaneWords::wrote` says that it writes
  // The round that the present turn collects.
  std::string commands;
  std::vector<PendingOperation> operations;
  std::string written_keys;
  bool writes = false;
  bool gets_alone = true;  ///< nothing but GETs of one key each
  uint32_t next_round = 0;
  std::list<PendingRound> rounds;  ///< a list: resolving can run guest code that adds one
  size_t unanswered_bytes = 0;     ///< of the rounds that are out
  std::vector<HeldRound> held;     ///< all that came after the first with a write; empty: none waits
  KeptReads reads;                 ///< while it may be pushed back
  KnownReads known;                ///< of an earlier run; none when it has issued a write
  uint64_t log_bytes = 0;
  uint32_t log_lines_dropped = 0;
  /// The function has returned or thrown; the outcome waits for the rounds that are still out.
  bool settled = false;
  std::string result;  ///< with CALL_REFUSED: the JSON of its status and data
  std::string stack;
  /// Writes that Redis refused, or of which nobody knows whether they ran, since the way to it failed, and
  /// whose promises had no handler then.
  std::vector<v8::Global<v8::Promise>> unheard;
  std::vector<UnheardFailure> unheard_failures;  ///< of the first of them, in their order
  /// Those that are still nobody's when the invocation ends are told in its log.
  std::vector<LoneRejection> lone_rejections;
  /// Set by what ends the invocation whatever its code does (a limit); looked at after the turn.
  Code fatal = Code::kOk;
  std::string fatal_message;
};

struct GuestTimer {
  uint64_t invocation = 0;
  v8::Global<v8::Function> callback;
};

/// How the bundle is called in stacks, until the author's files take its place
/// (runtime/sandbox/auxiliary.guest.ts).
constexpr std::string_view kBundleName = "<function>";

class GuestLoop {
 public:
  /// Timers of one isolate at once.
  static constexpr size_t kTimersMax = 10'000;
  /// Rejections of one invocation that nobody has heard of yet; more are not looked at.
  static constexpr size_t kLoneRejectionsMax = 8;
  /// Of the writes of one invocation that had no handler when they failed, those that are told apart.
  static constexpr size_t kUnheardFailuresMax = 64;

  /// In an isolate that began with the snapshot.
  GuestLoop(v8::Isolate* isolate, v8::Local<v8::Context> context);
  ~GuestLoop();
  GuestLoop(const GuestLoop&) = delete;
  GuestLoop& operator=(const GuestLoop&) = delete;

  /// Runs what was loaded until the lane is closed. Returns why it ended; empty when it was asked to.
  std::string Serve(uint32_t lane);
  /// The loop that runs on this thread; null while a bundle is loaded.
  static GuestLoop* Current();
  /// Of the isolate, whatever it is at; null in the one that the snapshot is made of.
  static GuestLoop* Of(v8::Isolate* isolate) { return static_cast<GuestLoop*>(isolate->GetData(kSlot)); }

  /// From the watchdog's thread: ends the turn that runs now if it is past its deadline.
  void TerminateLateTurn(int64_t now_ns);

  v8::Isolate* isolate() const { return isolate_; }
  int64_t opened_ns() const { return opened_ns_; }
  v8::Local<v8::Context> context() const { return context_.Get(isolate_); }

  // For the natives (guest_natives.cc).
  GuestInvocation* FindByToken(uint32_t token);
  GuestInvocation* current() const { return current_; }
  /// An operation of the guest: checks, collects, answers with a promise.
  void Operate(const v8::FunctionCallbackInfo<v8::Value>& info, uint32_t command, bool binary, bool named);
  uint32_t SetTimer(int64_t delay_ms, v8::Local<v8::Function> callback);
  void ClearTimer(uint32_t id);
  size_t timers() const { return timers_.size(); }
  void Log(GuestInvocation* invocation, std::string_view line);
  /// The function returned (`fulfilled`) or threw `value`.
  void Settle(GuestInvocation* invocation, bool fulfilled, v8::Local<v8::Value> value);
  /// A bundle that was loaded: its definition as JSON. Or `failure`: why not, beginning with the author's
  /// file and line where that is known.
  struct Loaded {
    std::string failure;
    std::string definition;
  };
  /// `source_map` is JSON in base64, empty where the bundle has none. `version`: by which V8's code of it is kept
  /// for the next isolate; empty: not at all. It has until a deadline after `began_ns`.
  Loaded Load(std::string_view source, std::string source_map, std::string version, int64_t began_ns);
  /// Keeps V8's code of the bundle for the next isolate of its version. `has_run`: with what calls compiled.
  void KeepCode(bool has_run);
  /// Compiles the schemas of what was loaded, as its calls will: "", or what is wrong, as in `failure`. They
  /// are JSON, empty where there is none; the deadline is the same.
  std::string CompileSchemas(std::string_view input, std::string_view output, int64_t began_ns);
  /// What was loaded has a function to run.
  bool can_serve() const { return !run_.IsEmpty(); }
  /// The file that the loaded bundle was made of; empty where its map names none. Reads the whole map.
  std::string SourceFile();
  /// Prepares what isolates to come need besides their bundles, in one that loads nothing.
  void Warm();
  /// Heap and buffers together are more than there may be: the turn ends, and the isolate with it.
  void EndForMemory();
  v8::Global<v8::Function>& run_function() { return run_; }
  v8::Global<v8::FunctionTemplate>& redis_template() { return redis_template_; }

 private:
  /// Of V8's slots for whoever embeds it.
  static constexpr uint32_t kSlot = 0;

  bool TakeInvocations();
  void Begin(const Frame& frame);
  void OnReplies(const Replies& replies);
  void SettleLater(v8::Local<v8::Promise::Resolver> resolver, v8::Local<v8::Value> value, bool is_error);
  bool FireTimers(int64_t now);
  bool EndLate(int64_t now);
  int64_t NextWakeNs() const;
  void MeasureMemory();
  void Wait();

  void BeginTurn(GuestInvocation* invocation);
  /// Drains the microtasks, accounts for the time, and sends what was collected.
  void EndTurn();
  bool CloseTurn();
  /// Whether it is to end: by the watchdog, or since its memory ran out.
  bool IsTurnEnding() const {
    return memory_exceeded_ || turn_.load(std::memory_order_acquire) != turns_ * 4;
  }
  void PauseTurn();
  void FinishSettled(uint64_t own);
  int64_t TurnCpuNs(int64_t now);
  void CountTurn(GuestInvocation* invocation, int64_t now);
  void LimitTurn(const GuestInvocation& invocation);
  bool ForgoBack(GuestInvocation* invocation);
  bool IsTurnOver(int64_t now_ns);
  void SendRound(GuestInvocation* invocation);
  void SendRoundsOfOthers();
  void MarkWritten(GuestInvocation* invocation);
  void Hold(GuestInvocation* invocation, const Round& round);
  void AllowWrites(GuestInvocation* invocation);
  /// Whether it may be run elsewhere from its beginning, and nobody would notice.
  static bool MayGoBack(const GuestInvocation& invocation);
  void PushBack(GuestInvocation* invocation);
  bool LeavesPromises(const GuestInvocation& invocation) const;
  bool AnswerKnown(GuestInvocation* invocation, size_t begin, ReplyShape shape, bool binary,
                   v8::Local<v8::Promise::Resolver> resolver);
  void TakeOutcome(GuestInvocation* invocation, bool fulfilled, v8::Local<v8::Value> value);
  void FinishIfDone(GuestInvocation* invocation);
  const UnheardFailure* FindUnheardFailure(const GuestInvocation& invocation);
  void NoteUnheard(GuestInvocation* invocation, const PendingRound& round, v8::Local<v8::Promise> promise,
                   Code code, std::string_view message);
  static void OnPromiseReject(v8::PromiseRejectMessage message);
  void ReadLoneRejections();
  void LogLoneRejections(GuestInvocation* invocation);
  /// How far the invocation came, for one that is ended at its deadline.
  static std::string Progress(const GuestInvocation& invocation);
  void Finish(GuestInvocation* invocation, Code code, std::string_view result, std::string_view message,
              std::string_view stack);
  void Release(GuestInvocation* invocation);
  void SendOutcome(const GuestInvocation& invocation, Code code, std::string_view result,
                   std::string_view message, std::string_view stack, bool back = false);
  void LoseAll();
  std::string FindLoss(v8::Local<v8::Value> result);
  void Fail(GuestInvocation* invocation, Code code, std::string message);
  void FailAtCpuLimit(GuestInvocation* invocation);
  void ThrowTooLarge();
  bool CheckArgument(v8::Local<v8::Value> value);
  bool TakeArgument(v8::Local<v8::Context> context, v8::Local<v8::Value> value);
  bool TakePairs(v8::Local<v8::Context> context, v8::Local<v8::Object> pairs);
  bool TakeArguments(const v8::FunctionCallbackInfo<v8::Value>& info, size_t pairs_at);
  bool TakeReply(PendingRound* round, std::string_view* bytes, DecodedReply* reply);
  bool TakeFound(GuestInvocation* invocation, PendingRound* round, DecodedReply* reply);
  static void NoteFound(GuestInvocation* invocation, const FoundReads::LookedUp& looked_up, bool whole);
  bool HandOverFound();
  void RetireRound(GuestInvocation* invocation, std::list<PendingRound>::iterator round);
  static size_t OnNearHeapLimit(void* data, size_t current_limit, size_t initial_limit);
  std::string MapStack(std::string_view stack);
  /// The first place in the author's files that a stack names; the bundle's own file where it names none.
  std::string Locate(std::string_view stack);
  /// What a bundle that is loaded took too much of.
  enum class Excess { kMemory, kTime };
  /// `work` as a turn of its own, ended where it takes more than loading may.
  std::optional<Excess> LoadingTurn(int64_t began_ns, const std::function<void()>& work);
  Loaded Evaluate(std::string_view source);
  v8::MaybeLocal<v8::Module> Compile(v8::Local<v8::String> source);
  Loaded ReadDefinition(v8::Local<v8::Value> definition);
  std::string_view SourceMap();
  Loaded Fails(std::string message, std::string_view stack);
  Loaded FailsWith(v8::Local<v8::Value> exception, std::string before = "");
  bool OpenAuxiliary();
  /// Calls a function of the auxiliary context with strings; empty when there is none or it failed.
  v8::MaybeLocal<v8::Value> Auxiliary(const char* function,
                                      std::initializer_list<std::string_view> arguments);
  bool CheckSchema(GuestInvocation* invocation, const char* which, std::string_view json);
  /// Whether the value fits, as far as `code` can tell; false also when nothing can be told.
  bool Fits(const char* which, const std::string& code, std::string_view json);
  /// Makes the code that checks values, for the isolates to come.
  void KeepChecker(const std::string& schema);

  v8::Isolate* isolate_;
  v8::Global<v8::Context> context_;
  v8::Global<v8::Context> auxiliary_;
  v8::Global<v8::Object> auxiliary_exports_;
  v8::Global<v8::Script> auxiliary_script_;
  v8::Global<v8::Context> checker_;
  v8::Global<v8::Object> checker_exports_;
  v8::Global<v8::FunctionTemplate> redis_template_;
  v8::Global<v8::Function> begin_;
  v8::Global<v8::Function> describe_;
  v8::Global<v8::Function> find_loss_;
  v8::Global<v8::Function> explain_;
  v8::Global<v8::Function> run_;
  std::string input_schema_, output_schema_;
  std::string version_;
  v8::Global<v8::UnboundModuleScript> code_;
  std::string source_map_;  ///< in base64 until it is asked for
  bool source_map_is_read_ = false;
  int64_t opened_ns_;
  bool has_run_ = false;  ///< it has answered calls

  uint32_t lane_ = 0;
  LaneRings rings_;
  RingConsumer from_supervisor_;
  RingProducer to_supervisor_;
  std::unique_ptr<Channel> channel_;
  std::optional<FoundReads> found_reads_;  ///< where there is a read cache
  /// Invocations and numbers of rounds that were found whole, and are to be handed over.
  std::vector<std::pair<uint64_t, uint32_t>> found_rounds_;
  std::vector<std::unique_ptr<GuestInvocation>> slots_;
  std::vector<uint32_t> generations_;
  std::unordered_map<uint64_t, GuestInvocation*> by_id_;
  /// By when it is due, then by its number: the first fires next.
  std::map<std::pair<int64_t, uint32_t>, GuestTimer> timers_;
  uint32_t next_timer_ = 0;
  GuestInvocation* current_ = nullptr;
  int64_t turn_started_ns_ = 0;
  int64_t turn_ended_ns_ = 0;
  int64_t earliest_deadline_ns_ = INT64_MAX;  ///< of those in flight: not later than that
  std::vector<uint64_t> settled_;             ///< since the last turn's end
  int64_t cpu_at_ns_ = 0;                     ///< the thread's processor time as last read, and when that was
  int64_t cpu_read_ns_ = 0;
  CorePace pace_;
  clockid_t cpu_clock_ = {};
  bool reading_rejections_ = false;
  /// Of the bundle that is loaded on this thread; null while none is.
  static thread_local std::vector<LoneRejection>* load_rejections_;
  bool collecting_others_ =
      false;  ///< an operation was issued on behalf of another invocation than the turn's
  bool closing_ = false;
  bool retire_ = false;
  std::string lost_;  ///< why the isolate cannot go on
  bool memory_exceeded_ = false;
  bool memory_stale_ = false;  ///< a turn has run since it was measured
  int64_t measure_after_ns_ = 0;

  /// 0 between turns; else the turn's number times four, plus how far its termination is: 1 under way, 2
  /// done.
  std::atomic<uint64_t> turn_{0};
  std::atomic<int64_t> turn_deadline_ns_{INT64_MAX};
  std::atomic<int64_t> turn_cpu_until_ns_{INT64_MAX};  ///< by `cpu_clock_`
  std::atomic<int64_t> turn_cpu_from_ns_{0};  ///< where its invocation would have begun, were it all one turn
  uint64_t turns_ = 0;
  bool turn_goes_back_ = false;  ///< it is to end when its invocation may go back

  std::list<PendingRound> idle_rounds_;
  std::vector<KeptReads> idle_reads_;
  // Scratch of Operate, kept for its capacity.
  class Taking;
  bool taking_ = false;
  size_t outer_bytes_ = 0;  ///< of those that are put aside
  std::string arena_;
  std::vector<size_t> ends_;
  std::vector<std::string_view> argv_;
};

}  // namespace locus
