// The sandbox host's addon, loaded twice: by Node's main thread (attach to the memory file, speak on the
// control lane) and by isolated-vm into each isolate (`InitForContext`: the natives that the prelude wraps).
#define NAPI_VERSION 9
#include <malloc.h>
#include <node_api.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <v8.h>

#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "confinement.h"
#include "frames.h"
#include "guest_loop.h"
#include "guest_natives.h"
#include "host.h"
#include "passed_descriptor.h"
#include "socket_channel.h"

namespace locus {

namespace {

/// A frame from the control lane on its way to JavaScript.
struct ControlMessage {
  uint64_t id = 0;
  uint32_t lane = 0;
  std::string options;
  std::string bundle;
};

std::mutex control_mutex;
RingProducer control_out;
LaneRings control_rings;
napi_threadsafe_function on_control = nullptr;

void SendControl(Control kind, uint64_t id, std::string_view payload) {
  {
    const std::lock_guard lock(control_mutex);
    control_out.Write(static_cast<uint16_t>(kind), id, payload);
  }
  Host::Get().Announce(kControlLane);
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

/// onControl(id, lane, optionsJson, bundle: string)
void CallOnControl(napi_env env, napi_value callback, void*, void* data) {
  const std::unique_ptr<ControlMessage> message(static_cast<ControlMessage*>(data));
  if (env == nullptr) return;
  napi_value arguments[4], undefined;
  napi_create_double(env, static_cast<double>(message->id), &arguments[0]);
  napi_create_uint32(env, message->lane, &arguments[1]);
  arguments[2] = String(env, message->options);
  arguments[3] = String(env, message->bundle);
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, callback, 4, arguments, nullptr);
}

void TakeControl(const Frame& frame) {
  OpenFrame open;
  if (static_cast<Control>(frame.kind) != Control::kOpen || !ReadOpen(frame.payload, &open)) return;
  auto message = std::make_unique<ControlMessage>();
  message->id = frame.id;
  message->lane = open.lane;
  message->options = open.options;
  message->bundle = open.bundle;
  napi_call_threadsafe_function(on_control, message.release(), napi_tsfn_blocking);
}

bool CanFlushControl() {
  const std::lock_guard lock(control_mutex);
  return control_out.can_flush();
}

/// The control lane's thread: frames become calls on Node's main thread.
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
    AnnounceSleep(bell, Sleep::kOnFutex);
    if (!in.empty() || CanFlushControl()) {
      CancelSleep(bell);
      continue;
    }
    SleepOnFutex(bell, INT64_MAX);
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

/// attach({memory, supervisorBell, controlSocket, connections, auxiliary, url, authorities}, onControl): ""
/// or what is wrong
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
  // The lanes' bells lie one after the other behind the socket.
  const std::string failed =
      host.Attach(number("memory"), number("supervisorBell"), control_socket < 0 ? -1 : control_socket + 1);
  if (!failed.empty()) return String(env, failed);
  host.sources().auxiliary = text("auxiliary");
  host.sources().url = text("url");
  SetDefaultAuthorities(text("authorities"));
  if (!control_rings.Map(host.memory_fd(), host.layout(), host.header(), kControlLane))
    return String(env, "could not map the control lane");
  control_out = RingProducer(control_rings.invocations_out);
  napi_value name = String(env, "locus-control");
  napi_create_threadsafe_function(env, arguments[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                  CallOnControl, &on_control);
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

/// trim(): what isolates had that are gone goes back to the kernel. glibc keeps what is free in the midst of a thread's arena.
napi_value Trim(napi_env, napi_callback_info) {
  malloc_trim(0);
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
      {"trim", nullptr, locus::Trim, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"send", nullptr, locus::Send, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_define_properties(env, exports, std::size(functions), functions);
  return exports;
}

/// isolated-vm's door for native modules: called on the isolate's thread for each new context.
extern "C" __attribute__((visibility("default"))) void InitForContext(v8::Isolate* isolate,
                                                                      v8::Local<v8::Context> context,
                                                                      v8::Local<v8::Object> target) {
  // Freed by `serve` or `release`, whichever the host calls last.
  locus::InstallNatives(new locus::GuestLoop(isolate, context), context, target);
}
