#include "memory_watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <tuple>

namespace locus {

namespace {

constexpr std::chrono::milliseconds kBusyInterval{20};
constexpr std::chrono::milliseconds kIdleInterval{1000};

/// The second number of statm, in pages. 0 when the process is gone.
uint64_t ResidentBytes(int statm) {
  char text[128];
  const ssize_t bytes = pread(statm, text, sizeof text - 1, 0);
  if (bytes <= 0) return 0;
  text[bytes] = '\0';
  char* rest = nullptr;
  std::strtoull(text, &rest, 10);
  return std::strtoull(rest, nullptr, 10) * PageBytes();
}

}  // namespace

MemoryWatch::MemoryWatch(std::function<void(uint32_t, int, uint64_t)> on_exceeded)
    : on_exceeded_(std::move(on_exceeded)), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "locus-watch");
}

MemoryWatch::~MemoryWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

MemoryWatch::Watched* MemoryWatch::Find(uint32_t host) {
  const auto found = std::find_if(watched_.begin(), watched_.end(),
                                  [&](const Watched& entry) { return entry.host == host; });
  return found == watched_.end() ? nullptr : &*found;
}

void MemoryWatch::Watch(uint32_t host, int pid, uint64_t limit_bytes) {
  Watched entry;
  entry.host = host;
  entry.pid = pid;
  entry.statm = Descriptor(open(("/proc/" + std::to_string(pid) + "/statm").c_str(), O_RDONLY | O_CLOEXEC));
  entry.limit_bytes = limit_bytes;
  const std::lock_guard lock(mutex_);
  std::erase_if(watched_, [&](const Watched& other) { return other.host == host; });
  if (entry.statm.valid()) watched_.push_back(std::move(entry));
}

void MemoryWatch::SetLimit(uint32_t host, uint64_t limit_bytes) {
  const std::lock_guard lock(mutex_);
  if (Watched* entry = Find(host)) entry->limit_bytes = limit_bytes;
}

void MemoryWatch::Unwatch(uint32_t host) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watched_, [&](const Watched& other) { return other.host == host; });
}

uint64_t MemoryWatch::resident_bytes(uint32_t host) {
  const std::lock_guard lock(mutex_);
  const Watched* entry = Find(host);
  return entry == nullptr ? 0 : entry->resident_bytes;
}

void MemoryWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    std::vector<std::tuple<uint32_t, int, uint64_t>> exceeded;
    for (Watched& entry : watched_) {
      entry.resident_bytes = ResidentBytes(entry.statm.get());
      if (entry.exceeded || entry.resident_bytes <= entry.limit_bytes) continue;
      entry.exceeded = true;
      exceeded.emplace_back(entry.host, entry.pid, entry.resident_bytes);
    }
    if (!exceeded.empty()) {
      lock.unlock();
      for (const auto& [host, pid, bytes] : exceeded) on_exceeded_(host, pid, bytes);
      lock.lock();
      continue;
    }
    const bool busy = busy_.load(std::memory_order_relaxed);
    slow_.store(!busy);
    // A change to busy between the look and the wait is seen after one interval at the latest.
    wake_.wait_for(lock, busy ? kBusyInterval : kIdleInterval,
                   [&] { return ended_ || (!busy && busy_.load(std::memory_order_relaxed)); });
    slow_.store(false);
  }
}

}  // namespace locus
