#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "guest_loop.h"
#include "host.h"

namespace locus {

namespace {
/// How late a turn past its deadline may be ended. Chosen: a hundredth of the shortest sensible deadline's
/// scale, and a tick this rare costs nothing.
constexpr int64_t kTickNs = 5'000'000;
/// The watchdog keeps ticking this long after the last invocation, so that steady load does not wake it each
/// time.
constexpr int64_t kLingerNs = 1'000'000'000;
}  // namespace

Host& Host::Get() {
  static Host host;
  return host;
}

std::string Host::Attach(int memory_fd, int supervisor_bell, std::vector<int> lane_bells) {
  const std::optional<size_t> bytes = SealedMemoryBytes(memory_fd);
  if (!bytes) return "the memory file is not sealed";
  if (*bytes < sizeof(HostHeader)) return "the memory file is too small";
  Mapping head = Mapping::Map(memory_fd, 0, PageBytes());
  if (head.data() == nullptr) return "could not map the memory file";
  const auto* header = reinterpret_cast<const HostHeader*>(head.data());
  if (header->magic != kHostMagic || header->version != kHostVersion)
    return "the supervisor speaks version " + std::to_string(header->version) + " of the rings, this host " +
           std::to_string(kHostVersion);
  layout_ = {header->lanes, (header->flags & kHostHasOperationRings) != 0};
  if (layout_.lanes == 0 || layout_.lanes > kLanesMax || layout_.file_bytes() != *bytes)
    return "the memory file has another size than its header says";
  memory_ = Mapping::Map(memory_fd, 0, layout_.header_bytes());
  if (memory_.data() == nullptr) return "could not map the memory file";
  header_ = reinterpret_cast<HostHeader*>(memory_.data());
  memory_fd_ = memory_fd;
  supervisor_bell_ = supervisor_bell;
  lane_bells_ = std::move(lane_bells);
  if ((header_->flags & kHostHasReadCache) == 0) return "";
  // Mapped, it needs no descriptor.
  const Descriptor cache(supervisor_bell + 1);
  return read_cache_.Attach(cache.get());
}

void Host::Watch(GuestLoop* loop) {
  const std::lock_guard lock(watched_mutex_);
  watched_.push_back(loop);
  if (!watchdog_started_.exchange(true)) std::thread([this] { RunWatchdog(); }).detach();
}

void Host::Unwatch(GuestLoop* loop) {
  const std::lock_guard lock(watched_mutex_);
  std::erase(watched_, loop);
}

void Host::WakeWatchdog() {
  Ring(&watchdog_bell_, {});
}

void Host::RunWatchdog() {
  int64_t last_active = 0;
  for (;;) {
    const int64_t now = NowNs();
    if (active_invocations.load() > 0) last_active = now;
    if (now - last_active > kLingerNs) {
      watchdog_ticking_.store(false);
      AnnounceSleep(&watchdog_bell_, Sleep::kOnFutex);
      if (active_invocations.load() == 0) SleepOnFutex(&watchdog_bell_, INT64_MAX);
      CancelSleep(&watchdog_bell_);
      watchdog_ticking_.store(true);
      last_active = NowNs();
      continue;
    }
    {
      const std::lock_guard lock(watched_mutex_);
      for (GuestLoop* loop : watched_) loop->TerminateLateTurn(now);
    }
    usleep(kTickNs / 1000);
  }
}

}  // namespace locus
