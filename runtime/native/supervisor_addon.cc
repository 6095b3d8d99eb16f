// The supervisor for Node: what runtime/sandbox/start-supervisor.ts wraps. Each method that JavaScript has is
// a function here, which takes its arguments apart and hands them to the supervisor of the binding.
#include <cstring>
#include <memory>
#include <string>

#include "cores.h"
#include "frames.h"
#include "supervisor_binding.h"

namespace locus {

namespace {

/// What `image` gives JavaScript to name one by.
using Image = std::shared_ptr<const FunctionImage>;

struct Arguments {
  napi_env env;
  napi_value values[8];
  size_t count = std::size(values);
  SupervisorBinding* self = nullptr;

  Arguments(napi_env env, napi_callback_info info) : env(env) {
    napi_value receiver;
    napi_get_cb_info(env, info, &count, values, &receiver, nullptr);
    napi_unwrap(env, receiver, reinterpret_cast<void**>(&self));
  }
  double Number(size_t i) const {
    double number = 0;
    napi_get_value_double(env, values[i], &number);
    return number;
  }
  bool Flag(size_t i) const {
    bool flag = false;
    napi_get_value_bool(env, values[i], &flag);
    return flag;
  }
  std::string Text(int i) const { return Text(values[i]); }
  std::string Text(napi_value value) const {
    size_t bytes = 0;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &bytes) != napi_ok) return "";
    std::string text(bytes, '\0');
    napi_get_value_string_utf8(env, value, text.data(), bytes + 1, &bytes);
    return text;
  }
  std::string Bytes(size_t i) const {
    void* data = nullptr;
    size_t bytes = 0;
    napi_typedarray_type type;
    if (napi_get_typedarray_info(env, values[i], &type, &bytes, &data, nullptr, nullptr) != napi_ok)
      return "";
    return {static_cast<const char*>(data), bytes};
  }
  /// null where it is none.
  const Image* ImageAt(size_t i) const {
    void* image = nullptr;
    napi_get_value_external(env, values[i], &image);
    return static_cast<const Image*>(image);
  }
  napi_value Member(napi_value object, const char* name) const {
    napi_value value;
    napi_get_named_property(env, object, name, &value);
    return value;
  }
  double NumberOf(napi_value object, const char* name) const {
    double number = 0;
    napi_get_value_double(env, Member(object, name), &number);
    return number;
  }
  std::vector<std::string> Texts(napi_value array) const {
    uint32_t length = 0;
    napi_get_array_length(env, array, &length);
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < length; i++) {
      napi_value item;
      napi_get_element(env, array, i, &item);
      texts.push_back(Text(item));
    }
    return texts;
  }
};

/// new Supervisor(options, handlers)
napi_value Construct(napi_env env, napi_callback_info info) {
  napi_value receiver;
  size_t count = 2;
  napi_value values[2];
  napi_get_cb_info(env, info, &count, values, &receiver, nullptr);
  Arguments arguments(env, info);
  SupervisorOptions options;
  options.command.launcher_path = arguments.Text(arguments.Member(values[0], "launcherPath"));
  options.command.node_path = arguments.Text(arguments.Member(values[0], "nodePath"));
  options.command.program_path = arguments.Text(arguments.Member(values[0], "programPath"));
  options.command.arguments = arguments.Texts(arguments.Member(values[0], "arguments"));
  options.isolate_bytes_max = static_cast<uint64_t>(arguments.NumberOf(values[0], "isolateBytesMax"));
  options.isolates_max = static_cast<uint32_t>(arguments.NumberOf(values[0], "isolatesMax"));
  options.queue_length_max = static_cast<uint32_t>(arguments.NumberOf(values[0], "queueLengthMax"));
  options.connections = static_cast<uint32_t>(arguments.NumberOf(values[0], "connections"));
  napi_get_value_bool(env, arguments.Member(values[0], "operationRings"), &options.operation_rings);
  napi_get_value_bool(env, arguments.Member(values[0], "confine"), &options.command.confine);
  auto* binding = new SupervisorBinding(env, std::move(options), values[1]);
  napi_wrap(
      env, receiver, binding,
      [](napi_env, void* data, void*) { delete static_cast<SupervisorBinding*>(data); }, nullptr, nullptr);
  return receiver;
}

/// image(name, version, bundle, limits): made once, for any number of calls.
napi_value MakeImage(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto image = std::make_shared<FunctionImage>();
  image->name = arguments.Text(0);
  image->version = arguments.Text(1);
  image->bundle = arguments.Bytes(2);
  const napi_value limits = arguments.values[3];
  image->limits.deadline_ms = static_cast<uint32_t>(arguments.NumberOf(limits, "deadlineMs"));
  image->limits.cpu_ms = static_cast<uint32_t>(arguments.NumberOf(limits, "cpuMs"));
  image->limits.memory_mb = static_cast<uint32_t>(arguments.NumberOf(limits, "memoryMb"));
  image->limits.operations = static_cast<uint32_t>(arguments.NumberOf(limits, "operations"));
  image->limits.concurrency = static_cast<uint32_t>(arguments.NumberOf(limits, "concurrency"));
  napi_value external;
  napi_create_external(
      env, new Image(std::move(image)), [](napi_env, void* data, void*) { delete static_cast<Image*>(data); },
      nullptr, &external);
  return external;
}

/// submit(call, image, keys, args, deadlineMs, logs, known, asksToWrite): the invocation's id, 0 when the
/// queue is full. A sleeping isolate is woken by `wake`.
napi_value Submit(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Image* image = arguments.ImageAt(1);
  if (image == nullptr || arguments.self == nullptr || arguments.self->supervisor() == nullptr)
    return nullptr;
  Call call;
  call.image = *image;
  call.keys = arguments.Texts(arguments.values[2]);
  call.args = arguments.Text(3);
  call.deadline_ns = NowNs() + static_cast<int64_t>(arguments.Number(4) * 1e6);
  call.logs = arguments.Flag(5);
  call.known = arguments.Bytes(6);
  // It comes from another machine; what is not to be had is read again.
  if (call.known.size() > kReadSetBytesMax) call.known.clear();
  call.asks_to_write = arguments.Flag(7);
  call.number = static_cast<uint64_t>(arguments.Number(0));
  SupervisorBinding* self = arguments.self;
  call.done = [self, number = arguments.Number(0)](Outcome&& outcome) {
    self->EmitOutcome(number, std::move(outcome));
  };
  const uint64_t id = self->supervisor()->Submit(std::move(call), Wake::kLater);
  return self->Number(static_cast<double>(id));
}

/// wake(): the isolates that got calls since the last time.
napi_value WakeIsolates(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (arguments.self->supervisor() != nullptr) arguments.self->supervisor()->WakeIsolates();
  return nullptr;
}

/// allowWrites(id): of an invocation that asked.
napi_value AllowWrites(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (arguments.self->supervisor() != nullptr)
    arguments.self->supervisor()->AllowWrites(static_cast<uint64_t>(arguments.Number(0)));
  return nullptr;
}

napi_value Cancel(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (arguments.self->supervisor() != nullptr)
    arguments.self->supervisor()->Cancel(static_cast<uint64_t>(arguments.Number(0)));
  return nullptr;
}

/// check(number, bundle): answered by onChecked(number, code, description, message, stack).
napi_value Check(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  if (self->supervisor() == nullptr) return nullptr;
  self->supervisor()->Check(arguments.Bytes(1), [self, number = arguments.Number(0)](CheckResult&& result) {
    self->Emit("onChecked", {self->Number(number), self->Text(CodeName(result.code)),
                             self->Text(result.description), self->Text(result.message)});
  });
  return nullptr;
}

/// keep(number, image, min, max): answered by onKept(number, code, message). A max of 0 is none.
napi_value Keep(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  const Image* image = arguments.ImageAt(1);
  if (image == nullptr || self->supervisor() == nullptr) return nullptr;
  const IsolateBounds bounds = {static_cast<uint32_t>(arguments.Number(2)),
                                static_cast<uint32_t>(arguments.Number(3))};
  self->supervisor()->Keep(*image, bounds, [self, number = arguments.Number(0)](KeepResult&& result) {
    self->Emit("onKept",
               {self->Number(number), self->Text(CodeName(result.code)), self->Text(result.message)});
  });
  return nullptr;
}

/// passDescriptor(host, connection, fd, tls?: {serverName, authorities, username, password, database}):
/// whether the host took it.
napi_value PassDescriptor(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  DescriptorMessage passed;
  passed.connection = static_cast<uint32_t>(arguments.Number(1));
  std::string texts[4];
  napi_valuetype type = napi_undefined;
  if (arguments.count > 3) napi_typeof(env, arguments.values[3], &type);
  if (type == napi_object) {
    const napi_value tls = arguments.values[3];
    const auto text = [&](size_t i, const char* name) -> std::string_view {
      return texts[i] = arguments.Text(arguments.Member(tls, name));
    };
    passed.database = static_cast<uint32_t>(arguments.NumberOf(tls, "database"));
    passed.server_name = text(0, "serverName");
    passed.authorities = text(1, "authorities");
    passed.username = text(2, "username");
    passed.password = text(3, "password");
  }
  const std::string message = WriteDescriptorMessage(passed);
  napi_value sent;
  const bool ok =
      arguments.self->supervisor() != nullptr && message.size() <= kDescriptorMessageBytesMax &&
      arguments.self->supervisor()->SendDescriptor(static_cast<uint32_t>(arguments.Number(0)), message,
                                                   static_cast<int>(arguments.Number(2)));
  napi_get_boolean(env, ok, &sent);
  return sent;
}

/// reply(host, lane, invocation, round, count, bytes)
napi_value Reply(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  arguments.self->Reply(
      {static_cast<uint32_t>(arguments.Number(0)), static_cast<uint32_t>(arguments.Number(1))},
      static_cast<uint64_t>(arguments.Number(2)),
      {static_cast<uint32_t>(arguments.Number(3)), static_cast<uint32_t>(arguments.Number(4))},
      arguments.Bytes(5));
  return nullptr;
}

/// {name, version, isolates, min, memoryBytes, cpuUs}
napi_value StateValue(napi_env env, SupervisorBinding* self, const Supervisor::FunctionState& function) {
  napi_value value;
  napi_create_object(env, &value);
  napi_set_named_property(env, value, "name", self->Text(function.name));
  napi_set_named_property(env, value, "version", self->Text(function.version));
  for (const auto& [name, number] : {std::pair{"isolates", static_cast<double>(function.isolates)},
                                     std::pair{"min", static_cast<double>(function.bounds.min)},
                                     std::pair{"memoryBytes", static_cast<double>(function.memory_bytes)},
                                     std::pair{"cpuUs", static_cast<double>(function.cpu_ns) / 1e3}})
    napi_set_named_property(env, value, name, self->Number(number));
  return value;
}

napi_value FunctionStates(napi_env env, SupervisorBinding* self) {
  napi_value functions;
  napi_create_array(env, &functions);
  uint32_t index = 0;
  for (const Supervisor::FunctionState& function : self->supervisor()->function_states())
    napi_set_element(env, functions, index++, StateValue(env, self, function));
  return functions;
}

/// functionState(image): null where there is nothing of that version.
napi_value FunctionState(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  const Image* image = arguments.ImageAt(0);
  napi_value none;
  napi_get_null(env, &none);
  if (image == nullptr || self->supervisor() == nullptr) return none;
  const auto state = self->supervisor()->function_state(**image);
  return state ? StateValue(env, self, *state) : none;
}

/// cpuUs(): of all hosts that there are and were.
napi_value CpuUs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  return self->Number(self->supervisor() == nullptr ? 0 : static_cast<double>(self->supervisor()->cpu_us()));
}

/// isolatesMax(): that the memory of a host has room for.
napi_value IsolatesMax(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  return self->Number(self->supervisor() == nullptr ? 0 : self->supervisor()->isolates_max());
}

/// state(): {hosts: [{pid, state, isolates, inFlight, restarts}], functions: [{name, …}], calls: {queued, …},
/// inFlight}
napi_value State(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  SupervisorBinding* self = arguments.self;
  napi_value state, hosts;
  napi_create_object(env, &state);
  napi_create_array(env, &hosts);
  if (self->supervisor() != nullptr) {
    uint32_t index = 0;
    for (const Supervisor::HostState& host : self->supervisor()->host_states()) {
      napi_value entry;
      napi_create_object(env, &entry);
      napi_set_named_property(env, entry, "pid", self->Number(host.pid));
      napi_set_named_property(env, entry, "state", self->Text(host.state));
      napi_set_named_property(env, entry, "isolates", self->Number(host.isolates));
      napi_set_named_property(env, entry, "inFlight", self->Number(host.in_flight));
      napi_set_named_property(env, entry, "restarts", self->Number(static_cast<double>(host.restarts)));
      napi_set_named_property(env, entry, "lastEnd", self->Text(host.last_end));
      napi_set_named_property(env, entry, "about", self->Text(host.about));
      napi_set_named_property(env, entry, "residentBytes",
                              self->Number(static_cast<double>(host.resident_bytes)));
      napi_set_named_property(env, entry, "isolateBytes",
                              self->Number(static_cast<double>(host.isolate_bytes)));
      napi_set_named_property(env, entry, "cpuUs", self->Number(static_cast<double>(host.cpu_us)));
      napi_value quarantine;
      napi_get_boolean(env, host.quarantine, &quarantine);
      napi_set_named_property(env, entry, "quarantine", quarantine);
      napi_set_element(env, hosts, index++, entry);
    }
    const Supervisor::Counters counters = self->supervisor()->counters();
    for (const auto& [name, count] :
         {std::pair{"deaths", counters.deaths}, std::pair{"killedForMemory", counters.killed_for_memory},
          std::pair{"killedForTime", counters.killed_for_time}, std::pair{"reruns", counters.reruns},
          std::pair{"quarantined", counters.quarantined}, std::pair{"released", counters.released}})
      napi_set_named_property(env, state, name, self->Number(static_cast<double>(count)));
    const Supervisor::CallStates calls = self->supervisor()->call_states();
    napi_value call_states;
    napi_create_object(env, &call_states);
    for (const auto& [name, count] :
         {std::pair{"queued", calls.queued}, std::pair{"starting", calls.starting},
          std::pair{"running", calls.running}, std::pair{"waiting", calls.waiting}})
      napi_set_named_property(env, call_states, name, self->Number(count));
    napi_set_named_property(env, state, "calls", call_states);
    napi_set_named_property(env, state, "functions", FunctionStates(env, self));
    napi_set_named_property(env, state, "inFlight", self->Number(self->supervisor()->in_flight()));
  }
  napi_set_named_property(env, state, "hosts", hosts);
  return state;
}

/// start(): the first turn; from then on the event loop drives it.
napi_value Start(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  arguments.self->Turn();
  return nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  arguments.self->Close();
  return nullptr;
}

/// availableCores(): that this process may keep busy.
napi_value Cores(napi_env env, napi_callback_info) {
  napi_value cores;
  napi_create_uint32(env, AvailableCores(), &cores);
  return cores;
}

}  // namespace

}  // namespace locus

extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                                     napi_value exports) {
  const auto method = [](const char* name, napi_callback callback) {
    return napi_property_descriptor{name,   nullptr, callback, nullptr, nullptr, nullptr, napi_default_method,
                                    nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("image", locus::MakeImage),
      method("submit", locus::Submit),
      method("wake", locus::WakeIsolates),
      method("cancel", locus::Cancel),
      method("allowWrites", locus::AllowWrites),
      method("check", locus::Check),
      method("keep", locus::Keep),
      method("passDescriptor", locus::PassDescriptor),
      method("reply", locus::Reply),
      method("state", locus::State),
      method("cpuUs", locus::CpuUs),
      method("isolatesMax", locus::IsolatesMax),
      method("functionState", locus::FunctionState),
      method("start", locus::Start),
      method("close", locus::Close),
  };
  napi_value constructor;
  napi_define_class(env, "NativeSupervisor", NAPI_AUTO_LENGTH, locus::Construct, nullptr, std::size(methods),
                    methods, &constructor);
  napi_set_named_property(env, exports, "NativeSupervisor", constructor);
  napi_value cores;
  napi_create_function(env, "availableCores", NAPI_AUTO_LENGTH, locus::Cores, nullptr, &cores);
  napi_set_named_property(env, exports, "availableCores", cores);
  return exports;
}
