#include "main_loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "bell.h"

namespace locus {

namespace {

MainLoop* the_loop = nullptr;

}  // namespace

bool MainLoop::Start(RedisModuleCtx* context, std::function<bool(int64_t)> on_pass,
                     std::function<void()> on_any_pass) {
  the_loop = this;
  on_pass_ = std::move(on_pass);
  on_any_pass_ = std::move(on_any_pass);
  request_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return request_.valid() &&
         redis::EventLoopAdd(request_.get(), redis::kEventLoopReadable, OnRequest, nullptr) == redis::kOk &&
         redis::SubscribeToServerEvent(context, redis::kEventLoop, OnEvent) == redis::kOk;
}

void MainLoop::RequestPass() {
  Watch(NowNs());
  if (requested_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(request_.get(), &one, sizeof one);
}

void MainLoop::OnRequest(int fd, void*, int) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t bytes = read(fd, &count, sizeof count);
}

void MainLoop::OnEvent(RedisModuleCtx*, redis::ServerEvent, uint64_t subevent, void*) {
  if (subevent == redis::kEventLoopBeforeSleep) the_loop->OnPass();
}

void MainLoop::OnPass() {
  on_any_pass_();
  requested_.store(false, std::memory_order_relaxed);
  if (watched_until_ns_.load(std::memory_order_relaxed) < NowNs()) {
    cpu_ns_ = 0;
    return;
  }
  // From the end of one pass to the end of the next: that includes the replies of the pass before, which
  // leave after this hook. The first watched pass counts as idle.
  // Not wall time: sleep, and waiting for the lock that the service holds, are no work.
  const int64_t now_ns = ThreadCpuNs();
  const int64_t work_ns = cpu_ns_ != 0 ? now_ns - cpu_ns_ : 0;
  cpu_ns_ = on_pass_(work_ns) ? ThreadCpuNs() : now_ns;
}

}  // namespace locus
