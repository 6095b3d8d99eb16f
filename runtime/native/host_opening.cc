#include "host_opening.h"

#include <pthread.h>

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "guest_isolate.h"

namespace locus {

namespace {

/// V8 takes about a MiB of a thread's stack, and what is native needs some more. The kernel gives what is used.
constexpr size_t kStackBytes = 4 << 20;
/// Memory of an isolate that only checks a bundle, MiB: kCheckMemoryMb in supervisor_bounds.h.
constexpr uint32_t kCheckMemoryMb = 64;
constexpr std::string_view kMapMark = "//# sourceMappingURL=data:application/json;base64,";
/// Why a bundle cannot be used, for its author.
constexpr size_t kFailureBytesMax = 2048;

Describe describe;
SendControlFrame send;

std::string_view Cut(const std::string& failure) {
  return std::string_view(failure).substr(0, kFailureBytesMax);
}

/// The bundle's code, and the base64 of its source map; both views into it.
std::pair<std::string_view, std::string_view> SplitSourceMap(std::string_view bundle) {
  const size_t mark = bundle.rfind(kMapMark);
  if (mark == bundle.npos) return {bundle, {}};
  return {bundle.substr(0, mark), bundle.substr(mark + kMapMark.size())};
}

/// Empty, or why the bundle cannot be deployed.
std::string Check(GuestLoop& loop, const std::string& definition, const std::string& bundle, int64_t began_ns,
                  std::string* description) {
  std::promise<Described> promise;
  describe(definition, bundle, [&](Described&& described) { promise.set_value(std::move(described)); });
  const Described described = promise.get_future().get();
  if (!described.failure.empty()) {
    const std::string file = loop.SourceFile();
    return file.empty() ? described.failure : file + ": " + described.failure;
  }
  *description = described.description;
  if (described.input.empty() && described.output.empty()) return "";
  return loop.CompileSchemas(described.input, described.output, began_ns);
}

/// The thread of one isolate, from its beginning to its end. Returns why it ended, empty when it was asked to; none
/// when it never served.
std::optional<std::string> Run(OpenRequest& request) {
  const bool is_check = request.lane == kControlLane;
  const int64_t began_ns = NowNs();
  GuestIsolate guest(is_check ? kCheckMemoryMb : request.memory_mb);
  GuestLoop& loop = guest.loop();
  const auto [source, map] = SplitSourceMap(request.bundle);
  GuestLoop::Loaded loaded = loop.Load(source, std::string(map), request.version, began_ns);
  std::string description;
  if (loaded.failure.empty() && is_check)
    loaded.failure = Check(loop, loaded.definition, request.bundle, began_ns, &description);
  if (loaded.failure.empty() && !is_check && !loop.can_serve())
    loaded.failure = "the bundle's default export is not what defineFunction returns: it has no function run";
  if (!loaded.failure.empty()) {
    send(Control::kOpenFailed, request.id, Cut(loaded.failure));
    return std::nullopt;
  }
  if (is_check) loop.KeepCode(false);
  send(Control::kOpened, request.id, description);
  // V8 has the code by now.
  std::string().swap(request.bundle);
  if (is_check) return std::nullopt;
  return loop.Serve(request.lane);
}

void* RunThread(void* data) {
  const std::unique_ptr<OpenRequest> request(static_cast<OpenRequest*>(data));
  const uint32_t lane = request->lane;
  if (const std::optional<std::string> why = Run(*request)) send(Control::kClosed, lane, Cut(*why));
  return nullptr;
}

}  // namespace

void SetUpOpening(Describe describe_with, SendControlFrame send_with) {
  describe = std::move(describe_with);
  send = std::move(send_with);
}

void WarmIsolates() {
  std::thread([] { GuestIsolate(kCheckMemoryMb).loop().Warm(); }).detach();
}

void OpenIsolate(OpenRequest&& request) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  auto owned = std::make_unique<OpenRequest>(std::move(request));
  const uint64_t id = owned->id;
  pthread_t thread = {};
  const int failed = pthread_create(&thread, &attributes, RunThread, owned.get());
  pthread_attr_destroy(&attributes);
  if (failed == 0) {
    owned.release();
  } else {
    send(Control::kOpenFailed, id, "the sandbox host can start no thread for it");
  }
}

}  // namespace locus
