#include "supervisor_binding.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "frames.h"

namespace locus {

namespace {

/// Of `Usage`.
constexpr size_t kUsageNumbers = 15;

/// A callback of the event loop's, however many handlers are called in it: what follows from them in
/// JavaScript runs at its end.
class CallbackScope {
 public:
  CallbackScope(napi_env env, napi_async_context context) : env_(env) {
    napi_open_callback_scope(env, nullptr, context, &scope_);
  }
  ~CallbackScope() { napi_close_callback_scope(env_, scope_); }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

 private:
  napi_env env_;
  napi_callback_scope scope_ = nullptr;
};

}  // namespace

SupervisorBinding::SupervisorBinding(napi_env env, SupervisorOptions options, napi_value handlers)
    : env_(env), operation_rings_(options.operation_rings) {
  napi_async_init(env, nullptr, Text("locus.supervisor"), &context_);
  napi_create_reference(env, handlers, 1, &handlers_);
  napi_value on_outcome, buffer, usage;
  napi_get_named_property(env, handlers, "onOutcome", &on_outcome);
  napi_create_reference(env, on_outcome, 1, &on_outcome_);
  napi_create_arraybuffer(env, kUsageNumbers * sizeof(double), reinterpret_cast<void**>(&usage_), &buffer);
  napi_create_typedarray(env, napi_float64_array, kUsageNumbers, buffer, 0, &usage);
  napi_create_reference(env, usage, 1, &usage_array_);
  options.on_log = [this](std::string_view source, std::string_view text, uint64_t call) {
    Emit("onLog", {Text(source), Text(text), Number(static_cast<double>(call))});
  };
  options.on_connection_wanted = [this](uint32_t host, uint32_t connection, std::string_view lost) {
    Emit("onConnectionWanted", {Number(host), Number(connection), Text(lost)});
  };
  options.on_write_asked = [this](uint64_t call, uint64_t id) {
    Emit("onWriteAsked", {Number(static_cast<double>(call)), Number(static_cast<double>(id))});
  };
  supervisor_ = std::make_unique<Supervisor>(std::move(options));
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  handles_ = new Handles;
  handles_->poll.data = this;
  handles_->timer.data = this;
  uv_poll_init(loop, &handles_->poll, supervisor_->descriptor());
  uv_timer_init(loop, &handles_->timer);
  uv_poll_start(&handles_->poll, UV_READABLE,
                [](uv_poll_t* handle, int, int) { static_cast<SupervisorBinding*>(handle->data)->Turn(); });
}

void SupervisorBinding::Close() {
  if (handles_ == nullptr) return;
  if (turning_) {
    // Called from one of our own callbacks: the supervisor is at work above us.
    closing_ = true;
    return;
  }
  uv_poll_stop(&handles_->poll);
  uv_timer_stop(&handles_->timer);
  // Both belong to the loop until it has said goodbye to both.
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->poll), [](uv_handle_t* handle) {
    auto* handles = reinterpret_cast<Handles*>(handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&handles->timer), [](uv_handle_t* timer) {
      delete reinterpret_cast<Handles*>(reinterpret_cast<char*>(timer) - offsetof(Handles, timer));
    });
  });
  handles_ = nullptr;
  supervisor_.reset();
  for (const napi_ref reference : {handlers_, on_outcome_, usage_array_})
    napi_delete_reference(env_, reference);
  napi_async_destroy(env_, context_);
}

void SupervisorBinding::Turn() {
  if (turning_ || handles_ == nullptr) return;
  turning_ = true;
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  int64_t next_ns = INT64_MAX;
  do {
    while (!closing_ && (PollSupervisor() | ServeOperations())) {
    }
  } while (!closing_ && !supervisor_->PrepareSleep(&next_ns));
  if (!closing_ && next_ns != INT64_MAX) {
    const int64_t wait_ms = (next_ns - NowNs()) / 1'000'000 + 1;
    uv_timer_start(
        &handles_->timer, [](uv_timer_t* handle) { static_cast<SupervisorBinding*>(handle->data)->Turn(); },
        static_cast<uint64_t>(std::max<int64_t>(wait_ms, 0)), 0);
  }
  napi_close_handle_scope(env_, scope);
  turning_ = false;
  if (closing_) Close();
}

bool SupervisorBinding::PollSupervisor() {
  const CallbackScope scope(env_, context_);
  return supervisor_->Poll();
}

napi_value SupervisorBinding::Text(std::string_view text) const {
  napi_value value = nullptr;
  napi_create_string_utf8(env_, text.data(), text.size(), &value);
  return value;
}

napi_value SupervisorBinding::Number(double number) const {
  napi_value value = nullptr;
  napi_create_double(env_, number, &value);
  return value;
}

napi_value SupervisorBinding::Held(napi_ref reference) const {
  napi_value value = nullptr;
  napi_get_reference_value(env_, reference, &value);
  return value;
}

void SupervisorBinding::CallHandler(napi_value handler, std::initializer_list<napi_value> arguments) {
  napi_value receiver;
  napi_get_undefined(env_, &receiver);
  napi_call_function(env_, receiver, handler, arguments.size(), arguments.begin(), nullptr);
  bool pending = false;
  napi_is_exception_pending(env_, &pending);
  if (!pending) return;
  napi_value error;
  napi_get_and_clear_last_exception(env_, &error);
  napi_fatal_exception(env_, error);
}

void SupervisorBinding::Emit(const char* name, std::initializer_list<napi_value> arguments) {
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  napi_value handler;
  napi_get_named_property(env_, Held(handlers_), name, &handler);
  CallHandler(handler, arguments);
  napi_close_handle_scope(env_, scope);
}

void SupervisorBinding::EmitOutcome(double call, Outcome&& outcome) {
  napi_handle_scope scope;
  napi_open_handle_scope(env_, &scope);
  const UsageWire& isolate = outcome.usage.isolate;
  const double numbers[kUsageNumbers] = {static_cast<double>(outcome.usage.wall_ns) / 1e3,
                                         static_cast<double>(outcome.usage.queue_ns) / 1e3,
                                         static_cast<double>(outcome.usage.start_ns) / 1e3,
                                         static_cast<double>(isolate.cpu_ns) / 1e3,
                                         static_cast<double>(isolate.slowed_ns) / 1e3,
                                         static_cast<double>(isolate.wait_ns) / 1e3,
                                         static_cast<double>(isolate.operations),
                                         static_cast<double>(isolate.rounds),
                                         static_cast<double>(isolate.bytes_out),
                                         static_cast<double>(isolate.bytes_in),
                                         static_cast<double>(isolate.findable_operations),
                                         static_cast<double>(isolate.findable_rounds),
                                         static_cast<double>(isolate.found_operations),
                                         static_cast<double>(isolate.found_rounds),
                                         static_cast<double>(outcome.usage.lock_ns) / 1e3};
  std::copy_n(numbers, kUsageNumbers, usage_);
  napi_value logs;
  napi_create_array_with_length(env_, outcome.logs.size(), &logs);
  for (size_t i = 0; i < outcome.logs.size(); i++)
    napi_set_element(env_, logs, static_cast<uint32_t>(i), Text(outcome.logs[i]));
  CallHandler(Held(on_outcome_),
              {Number(call), Text(CodeName(outcome.code)), Text(outcome.result), Text(outcome.message),
               Text(outcome.stack), Held(usage_array_), logs});
  napi_close_handle_scope(env_, scope);
}

void SupervisorBinding::Reply(Place place, uint64_t invocation, RoundHeader header,
                              std::string_view replies) {
  HostLane* lane = supervisor_ ? supervisor_->LaneAt(place) : nullptr;
  // Its host may have died, or the invocation may have ended, while JavaScript looked for the reply.
  if (lane == nullptr || supervisor_->FindInFlight(invocation, place) == nullptr) return;
  lane->replies.Write(static_cast<uint16_t>(Operations::kReplies), invocation,
                      {reinterpret_cast<const char*>(&header), sizeof header}, replies);
  lane->Ring();
}

bool SupervisorBinding::ServeOperations() {
  if (!operation_rings_ || !supervisor_->HasReadyOperations()) return false;
  supervisor_->ForEachReadyOperations([&](Place place, HostLane& lane) {
    Frame frame;
    bool wake = false;
    while (lane.operations.Read(&frame)) {
      RoundHeader header = {};
      std::string_view commands = frame.payload;
      TakeRoundHeader(&commands, &header);
      napi_value bytes;
      napi_handle_scope scope;
      napi_open_handle_scope(env_, &scope);
      napi_create_buffer_copy(env_, commands.size(), commands.data(), nullptr, &bytes);
      {
        // Each for itself: what an invocation asks first is under way before what it asks next is heard.
        const CallbackScope callback(env_, context_);
        Emit("onRound", {Number(place.host), Number(place.lane), Number(static_cast<double>(frame.id)),
                         Number(header.round), Number(header.count), bytes});
      }
      napi_close_handle_scope(env_, scope);
      wake |= lane.operations.Release();
    }
    wake |= lane.operations.TakeProducerWake();
    const bool more = lane.replies.pending_bytes() > 0;
    if (more) lane.replies.Flush();
    if (wake || more) lane.Ring();
  });
  return true;
}

}  // namespace locus
