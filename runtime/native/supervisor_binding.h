// A supervisor on Node's event loop, which is its owner's thread: the loop polls the supervisor's descriptor
// and keeps one timer for what is due later. What the supervisor has to tell goes to JavaScript's handlers.
#pragma once

#define NAPI_VERSION 9
#include <node_api.h>
#include <uv.h>

#include <initializer_list>
#include <memory>
#include <string_view>

#include "supervisor.h"

namespace locus {

class SupervisorBinding {
 public:
  SupervisorBinding(napi_env env, SupervisorOptions options, napi_value handlers);
  ~SupervisorBinding() { Close(); }

  /// Idempotent; from one of our own callbacks, when the turn is over.
  void Close();
  /// What is due now, then an announced sleep until the descriptor or the timer.
  void Turn();

  /// Null once it is closed.
  Supervisor* supervisor() { return supervisor_.get(); }

  napi_value Text(std::string_view text) const;
  napi_value Number(double number) const;

  /// Calls `handlers[name](…arguments)`; an exception there is the process' (uncaught), as in any event
  /// handler.
  void Emit(const char* name, std::initializer_list<napi_value> arguments);
  /// onOutcome(call, code, result, message, stack, usage, logs)
  void EmitOutcome(double call, Outcome&& outcome);
  /// To a round of the memory channel's.
  void Reply(Place place, uint64_t invocation, RoundHeader header, std::string_view replies);

 private:
  struct Handles {
    uv_poll_t poll;
    uv_timer_t timer;
  };

  /// Whether there was anything. All of it is one callback: what follows from each outcome in JavaScript runs
  /// behind the last.
  bool PollSupervisor();
  void CallHandler(napi_value handler, std::initializer_list<napi_value> arguments);
  napi_value Held(napi_ref reference) const;
  /// The memory channel's side: rounds go to JavaScript, which answers with `reply`.
  bool ServeOperations();

  napi_env env_;
  napi_async_context context_ = nullptr;
  napi_ref handlers_ = nullptr;
  /// Apart: it is called for each call.
  napi_ref on_outcome_ = nullptr;
  /// A Float64Array over `usage_`: one for all outcomes.
  napi_ref usage_array_ = nullptr;
  double* usage_ = nullptr;
  std::unique_ptr<Supervisor> supervisor_;
  Handles* handles_ = nullptr;
  bool turning_ = false;
  bool closing_ = false;
  bool operation_rings_;
};

}  // namespace locus
