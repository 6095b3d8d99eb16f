// The sandbox host's addon, loaded by Node's main thread: attaches to the memory file and serves the control lane.
#define NAPI_VERSION 9
#include <malloc.h>
#include <node_api.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <v8.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "confinement.h"
#include "frames.h"
#include "guest_platform.h"
#include "guest_snapshot.h"
#include "host.h"
#include "host_opening.h"
#include "passed_descriptor.h"
#include "socket_channel.h"

namespace locus {

namespace {

/// A definition on its way to JavaScript.
struct Definition {
  std::string json;
  std::string bundle;
  std::function<void(Described&&)> answer;
};

std::mutex control_mutex;
RingProducer control_out;
LaneRings control_rings;
napi_threadsafe_function on_definition = nullptr;
/// When what isolates had that are gone goes back to the kernel (NowNs() clock); INT64_MAX: none has gone.
std::atomic<int64_t> trim_at_ns{INT64_MAX};
/// Once for all that have gone lately: it takes a ms for a hundred MiB, and those that go next go soon.
constexpr int64_t kTrimAfterNs = 1'000 * kMs;

void SendControl(Control kind, uint64_t id, std::string_view payload) {
  {
    const std::lock_guard lock(control_mutex);
    control_out.Write(static_cast<uint16_t>(kind), id, payload);
  }
  Host::Get().Announce(kControlLane);
  const bool has_checked = kind == Control::kOpened && !payload.empty();
  if (kind != Control::kClosed && kind != Control::kOpenFailed && !has_checked) return;
  int64_t none = INT64_MAX;
  if (trim_at_ns.compare_exchange_strong(none, NowNs() + kTrimAfterNs))
    Ring(&control_rings.words->isolate_bell, {});
}

napi_value String(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

std::string StringOf(napi_env env, napi_value value) {
  size_t bytes = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &bytes) != napi_ok) return "";
  std::string text(bytes, '\0');
  napi_get_value_string_utf8(env, value, text.data(), bytes + 1, &bytes);
  return text;
}

/// onDefinition(definition, bundle: string): [failure, description, input, output]
void CallOnDefinition(napi_env env, napi_value callback, void*, void* data) {
  const std::unique_ptr<Definition> definition(static_cast<Definition*>(data));
  if (env == nullptr) return;
  napi_value arguments[] = {String(env, definition->json), String(env, definition->bundle)};
  napi_value undefined, answer;
  napi_get_undefined(env, &undefined);
  Described described;
  std::string* const texts[] = {&described.failure, &described.description, &described.input,
                                &described.output};
  if (napi_call_function(env, undefined, callback, 2, arguments, &answer) == napi_ok) {
    for (uint32_t i = 0; i < std::size(texts); i++) {
      napi_value text;
      if (napi_get_element(env, answer, i, &text) == napi_ok) *texts[i] = StringOf(env, text);
    }
  } else {
    described.failure = "the definition cannot be read";
  }
  definition->answer(std::move(described));
}

void DescribeOnMainThread(std::string json, std::string bundle, std::function<void(Described&&)> answer) {
  auto definition = std::make_unique<Definition>();
  *definition = {std::move(json), std::move(bundle), std::move(answer)};
  napi_call_threadsafe_function(on_definition, definition.release(), napi_tsfn_blocking);
}

void TakeControl(const Frame& frame) {
  OpenFrame open;
  if (static_cast<Control>(frame.kind) != Control::kOpen || !ReadOpen(frame.payload, &open)) return;
  OpenIsolate({frame.id, open.lane, open.memory_mb, std::string(open.version), std::string(open.bundle)});
}

bool CanFlushControl() {
  const std::lock_guard lock(control_mutex);
  return control_out.can_flush();
}

/// The control lane's thread: opens isolates, and gives back what they had.
void ServeControl() {
  RingConsumer in(control_rings.invocations_in, kInvocationFrameBytesMax);
  BellWord* bell = &control_rings.words->isolate_bell;
  for (;;) {
    Frame frame;
    bool wake = false;
    while (in.Read(&frame)) {
      TakeControl(frame);
      wake |= in.Release();
    }
    wake |= in.TakeProducerWake();
    {
      const std::lock_guard lock(control_mutex);
      if (control_out.pending_bytes() > 0) {
        control_out.Flush();
        wake = true;
      }
    }
    if (wake) Host::Get().Announce(kControlLane);
    if (NowNs() >= trim_at_ns.load()) {
      trim_at_ns.store(INT64_MAX);
      // glibc keeps what is free in the midst of a thread's arena.
      malloc_trim(0);
    }
    AnnounceSleep(bell, Sleep::kOnFutex);
    if (!in.empty() || CanFlushControl()) {
      CancelSleep(bell);
      continue;
    }
    SleepOnFutex(bell, trim_at_ns.load());
  }
}

/// Takes one connected descriptor, and what is left to do on it. `on_come` is told before anybody can use, or
/// close, it; `on_adopted` when it is the connection's. False when the supervisor is gone.
bool TakeDescriptor(int control_socket, const std::function<void(uint32_t connection, int fd)>& on_come,
                    const std::function<void(uint32_t connection)>& on_adopted) {
  static std::vector<char> text(kDescriptorMessageBytesMax);
  iovec data = {text.data(), text.size()};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  const ssize_t bytes = recvmsg(control_socket, &message, MSG_CMSG_CLOEXEC);
  if (bytes == 0 || (bytes < 0 && errno != EINTR)) return false;
  const cmsghdr* control = CMSG_FIRSTHDR(&message);
  if (bytes < static_cast<ssize_t>(sizeof(DescriptorHeader)) || control == nullptr ||
      control->cmsg_type != SCM_RIGHTS)
    return true;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
  DescriptorHeader header;
  std::memcpy(&header, text.data(), sizeof header);
  on_come(header.connection, fd);
  const bool adopted = AdoptDescriptor(
      Descriptor(fd), {text.data(), static_cast<size_t>(bytes)},
      [](uint32_t index, const std::string& why) { SendControl(Control::kConnectionLost, index, why); });
  if (adopted) on_adopted(header.connection);
  return true;
}

/// Compute side: descriptors come one by one, and are watched from then on for the end of their connections:
/// one that nobody reads would be found dead by the next round that is sent on it.
void ServeDescriptors(int control_socket) {
  constexpr uint64_t kControl = UINT64_MAX;
  const Descriptor watch(epoll_create1(EPOLL_CLOEXEC));
  const auto add = [&](int fd, uint32_t events, uint64_t data) {
    epoll_event event = {};
    event.events = events;
    event.data.u64 = data;
    epoll_ctl(watch.get(), EPOLL_CTL_ADD, fd, &event);
  };
  add(control_socket, EPOLLIN, kControl);
  // By connection, the one that it has: of others that came for it nothing is heard.
  std::unordered_map<uint32_t, uint32_t> current;
  uint32_t come = 0;
  for (;;) {
    epoll_event event = {};
    if (epoll_wait(watch.get(), &event, 1, -1) < 1) continue;
    if (event.data.u64 != kControl) {
      const auto connection = static_cast<uint32_t>(event.data.u64);
      if (current[connection] == event.data.u64 >> 32) Host::Get().connections()->NoteHangUp(connection);
      continue;
    }
    const bool goes_on = TakeDescriptor(
        control_socket,
        [&](uint32_t connection, int fd) {
          add(fd, EPOLLRDHUP | EPOLLET, uint64_t{++come} << 32 | connection);
        },
        [&](uint32_t connection) { current[connection] = come; });
    if (!goes_on) return;
  }
}

/// What lies free at the end of a thread's arena goes back to the kernel beyond this. glibc raises its own bound
/// to 64 MiB once something large was freed, `malloc_trim` cuts that end off the main arena alone, and there are
/// eight arenas a core: a host of two cores held 0.7 GiB for isolates that had long been gone. With 8 MiB calls
/// that read 3 MB are slower by half.
constexpr int kArenaEndMax = 16 << 20;
/// What is larger never lies in an arena. As high as glibc raises its own bound; set, for setting one of the two
/// pins both.
constexpr int kInArenaMax = 32 << 20;

/// attach({memory, supervisorBell, controlSocket, connections, prelude, auxiliary, checker, url, authorities},
/// onDefinition): "" or what is wrong
napi_value Attach(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  const auto number = [&](const char* name) {
    napi_value value;
    int32_t result = -1;
    napi_get_named_property(env, arguments[0], name, &value);
    napi_get_value_int32(env, value, &result);
    return result;
  };
  const auto text = [&](const char* name) {
    napi_value value;
    napi_get_named_property(env, arguments[0], name, &value);
    return StringOf(env, value);
  };
  mallopt(M_TRIM_THRESHOLD, kArenaEndMax);
  mallopt(M_MMAP_THRESHOLD, kInArenaMax);
  Host& host = Host::Get();
  const int control_socket = number("controlSocket");
  // The bells lie one after the other behind the socket.
  std::vector<int> bells(control_socket < 0 ? 0 : number("connections"));
  std::iota(bells.begin(), bells.end(), control_socket + 1);
  const std::string failed = host.Attach(number("memory"), number("supervisorBell"), std::move(bells));
  if (!failed.empty()) return String(env, failed);
  PlatformEntry::UsePlatformOf(v8::Isolate::GetCurrent());
  host.sources().auxiliary = text("auxiliary");
  host.sources().url = text("url");
  const std::string unmade = GuestSnapshot::Get().Make(text("prelude"), text("checker"));
  if (!unmade.empty()) return String(env, unmade);
  SetDefaultAuthorities(text("authorities"));
  if (!control_rings.Map(host.memory_fd(), host.layout(), host.header(), kControlLane))
    return String(env, "could not map the control lane");
  control_out = RingProducer(control_rings.invocations_out);
  napi_value name = String(env, "locus-definitions");
  napi_create_threadsafe_function(env, arguments[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                  CallOnDefinition, &on_definition);
  SetUpOpening(DescribeOnMainThread, SendControl);
  std::thread(ServeControl).detach();
  if (control_socket >= 0) {
    static ConnectionPool pool(
        static_cast<uint32_t>(number("connections")),
        [](uint32_t index, const std::string& why) { SendControl(Control::kConnectionLost, index, why); });
    host.set_connections(&pool);
    std::thread(ServeDescriptors, control_socket).detach();
  }
  return String(env, "");
}

/// confine(): the second filter for system calls, on all threads. "" or what stands in the way.
napi_value Confine(napi_env env, napi_callback_info) {
  return String(env, ConfineAllThreads());
}

/// warm(): see WarmIsolates.
napi_value Warm(napi_env, napi_callback_info) {
  WarmIsolates();
  return nullptr;
}

/// send(kind, id, text): a frame on the control lane.
napi_value Send(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  uint32_t kind = 0;
  double id = 0;
  napi_get_value_uint32(env, arguments[0], &kind);
  napi_get_value_double(env, arguments[1], &id);
  SendControl(static_cast<Control>(kind), static_cast<uint64_t>(id), StringOf(env, arguments[2]));
  return nullptr;
}

}  // namespace

}  // namespace locus

extern "C" __attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                                     napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"attach", nullptr, locus::Attach, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"confine", nullptr, locus::Confine, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"warm", nullptr, locus::Warm, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"send", nullptr, locus::Send, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_define_properties(env, exports, std::size(functions), functions);
  return exports;
}
