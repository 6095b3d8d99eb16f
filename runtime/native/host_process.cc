#include "host_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace locus {

namespace {

constexpr size_t kOutputLineBytesMax = 4096;
/// Descriptors that the host finds in this order from 3 on: memory, supervisor bell, then on the storage side
/// the read cache where there is one, on the compute side the control socket and a bell for each connection.
constexpr int kFirstDescriptor = 3;

std::string SystemError(const char* attempt, int error) {
  return std::string(attempt) + ": " + strerror(error);
}

/// A copy at or above 100, so that no source descriptor lies where another has to go.
Descriptor MoveUp(int from) {
  return Descriptor(fcntl(from, F_DUPFD_CLOEXEC, 100));
}

}  // namespace

std::string HostProcess::Start(const HostCommand& command, const Shape& shape) {
  const auto [lanes, operation_rings, read_cache, connections] = shape;
  layout_ = {lanes, operation_rings};
  memory_ = CreateSealedMemory("locus-host", layout_.file_bytes());
  if (!memory_.valid()) return SystemError("could not create the host's memory file", errno);
  memory_map_ = Mapping::Map(memory_.get(), 0, layout_.header_bytes());
  if (memory_map_.data() == nullptr) return SystemError("could not map the host's memory file", errno);
  HostHeader* head = header();
  head->magic = kHostMagic;
  head->version = kHostVersion;
  head->lanes = lanes;
  head->flags = operation_rings ? uint32_t{kHostHasOperationRings} : 0;
  if (operation_rings && read_cache >= 0) head->flags |= kHostHasReadCache;
  head->service_core.store(-1);
  head->spinners_max.store(0);

  bell_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int output[2];
  int control[2];
  if (!bell_.valid() || pipe2(output, O_CLOEXEC) != 0) return SystemError("could not create a pipe", errno);
  output_ = Descriptor(output[0]);
  Descriptor output_child(output[1]);
  fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    return SystemError("could not create a socket pair", errno);
  control_socket_ = Descriptor(control[0]);
  Descriptor control_child(control[1]);

  for (uint32_t number = 0; !operation_rings && number < connections; number++) {
    lane_bells_.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!lane_bells_.back().valid()) return SystemError("could not create an eventfd", errno);
    lane_bell_numbers_.push_back(lane_bells_.back().get());
  }
  lanes_ = std::vector<HostLane>(lanes);
  if (!OpenLane(kControlLane)) return SystemError("could not map the control lane", errno);

  // The storage side passes neither a control socket nor bells of isolates: nothing that it does not need.
  std::vector<Descriptor> moved;
  moved.push_back(MoveUp(memory_.get()));
  moved.push_back(MoveUp(bell_.get()));
  if (!operation_rings) {
    moved.push_back(MoveUp(control_child.get()));
    for (const Descriptor& bell : lane_bells_) moved.push_back(MoveUp(bell.get()));
  } else if (read_cache >= 0) {
    moved.push_back(MoveUp(read_cache));
  }
  const Descriptor out = MoveUp(output_child.get());
  const Descriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, null.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, out.get(), 2);
  int target = kFirstDescriptor;
  for (const Descriptor& fd : moved) posix_spawn_file_actions_adddup2(&actions, fd.get(), target++);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A group of its own: a Ctrl-C in a terminal is for the supervisor, which ends its hosts itself.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> words = {command.launcher_path,
                                    "--parent",
                                    std::to_string(getpid()),
                                    "--descriptors",
                                    std::to_string(target),
                                    "--confine",
                                    command.confine ? "on" : "off",
                                    "--nice",
                                    std::to_string(command.nice),
                                    "--",
                                    command.node_path,
                                    "--no-node-snapshot",
                                    "--disable-warning=ExperimentalWarning",
                                    command.program_path};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Nothing of the supervisor's own environment. The zone's file could not be opened anyhow.
  char locale[] = "LANG=C.UTF-8";
  char zone[] = "TZ=UTC";
  char* environment[] = {locale, zone, nullptr};

  pid_t pid = 0;
  const int failed =
      posix_spawn(&pid, command.launcher_path.c_str(), &actions, &attributes, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return SystemError(("could not start " + command.launcher_path).c_str(), failed);
  pid_ = pid;
  pidfd_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd_.valid()) {
    const std::string error = SystemError("could not watch the host (pidfd_open)", errno);
    // By its number, which is its own until it is reaped.
    kill(pid_, SIGKILL);
    Kill();
    return error;
  }
  return "";
}

void HostProcess::Stop() {
  // By the descriptor: the number may be another process' once this one is reaped.
  if (pidfd_.valid()) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

// Never waits: a process of gigabytes takes a while to go, and whoever kills it may hold a lock that Redis'
// main thread wants. What has not gone yet is reaped with the next one. (Redis may have reaped it already:
// ECHILD.)
void HostProcess::ReapLater(int pid) {
  // Never destroyed: an owner's thread may kill its host while `main` returns.
  static auto* const mutex = new std::mutex;
  static auto* const going = new std::vector<int>;
  const std::lock_guard lock(*mutex);
  if (pid > 0) going->push_back(pid);
  std::erase_if(*going, [](int child) {
    const pid_t reaped = waitpid(child, nullptr, WNOHANG);
    return reaped == child || (reaped < 0 && errno == ECHILD);
  });
}

void HostProcess::Kill() {
  Stop();
  if (pid_ > 0) ReapLater(pid_);
  pid_ = 0;
  pidfd_.Reset();
  output_.Reset();
  bell_.Reset();
  control_socket_.Reset();
  lanes_.clear();
  lane_bells_.clear();
  lane_bell_numbers_.clear();
  memory_map_ = Mapping();
  memory_.Reset();
  output_buffer_.clear();
}

bool HostProcess::OpenLane(uint32_t index) {
  HostLane& lane = lanes_[index];
  LaneRings& rings = lane.rings;
  if (!rings.Map(memory_.get(), layout_, header(), index)) {
    rings.Unmap();
    return false;
  }
  LaneWords* words = rings.words;
  for (RingWords* ring :
       {&words->invocations_in, &words->invocations_out, &words->operations, &words->replies}) {
    ring->produced.store(0);
    ring->consumed.store(0);
    ring->producer_waits.store(0);
  }
  for (auto& mark : words->wrote) mark.store(0, std::memory_order_relaxed);
  words->turn_started_ns.store(0);
  words->turn_invocation.store(0);
  words->computed_ns.store(0);
  words->waited_ns.store(0);
  words->memory_bytes.store(0);
  words->isolate_bell.sleep.store(0);
  lane.bells = lane_bell_numbers_;
  lane.to_isolate = RingProducer(rings.invocations_in);
  lane.from_isolate = RingConsumer(rings.invocations_out, kInvocationFrameBytesMax);
  if (rings.operations.words != nullptr) {
    lane.operations = RingConsumer(rings.operations, kOperationFrameBytesMax);
    lane.replies = RingProducer(rings.replies);
  }
  lane.open.store(true, std::memory_order_release);
  return true;
}

void HostProcess::CloseLane(uint32_t index) {
  lanes_[index].open.store(false, std::memory_order_release);
  lanes_[index].rings.Unmap();
  DropPages(memory_.get(), layout_.lane_offset(index), layout_.lane_bytes());
}

bool HostProcess::ReadOutput(size_t bytes_max, const std::function<void(std::string_view)>& on_line) {
  char chunk[4096];
  for (size_t taken = 0; taken < bytes_max;) {
    const ssize_t bytes = read(output_.get(), chunk, sizeof chunk);
    if (bytes <= 0) return true;
    taken += static_cast<size_t>(bytes);
    for (ssize_t i = 0; i < bytes; i++) {
      if (chunk[i] == '\n' || output_buffer_.size() >= kOutputLineBytesMax) {
        if (!output_buffer_.empty()) on_line(output_buffer_);
        output_buffer_.clear();
      }
      if (chunk[i] != '\n') output_buffer_.push_back(chunk[i]);
    }
  }
  return false;
}

std::string HostProcess::Reap() {
  if (pid_ <= 0) return "not running";
  cpu_us();  // while it is still to be read
  int status = 0;
  const pid_t reaped = waitpid(pid_, &status, WNOHANG);
  if (reaped == 0) return "";
  reaped_ = true;
  if (reaped == pid_ && WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  if (reaped == pid_) return "ended with exit code " + std::to_string(WEXITSTATUS(status));
  return "ended";
}

bool HostProcess::SendDescriptor(std::string_view text, int fd) {
  iovec data = {const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  cmsghdr* control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
  return sendmsg(control_socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(text.size());
}

uint64_t HostProcess::cpu_us() {
  clockid_t clock = 0;
  timespec time = {};
  // The number is another process's by now where somebody else has reaped it (Redis reaps any child of its own).
  const bool is_its_own = pidfd_.valid() && syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, 0) == 0;
  if (alive() && !reaped_ && is_its_own && clock_getcpuclockid(pid_, &clock) == 0 &&
      clock_gettime(clock, &time) == 0)
    cpu_us_ = std::max(cpu_us_, static_cast<uint64_t>(time.tv_sec) * 1000000 +
                                    static_cast<uint64_t>(time.tv_nsec) / 1000);
  return cpu_us_;
}

}  // namespace locus
