#include "confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>

namespace locus {

namespace {

/// Owns a filter under construction; remembers the first failure.
class Filter {
 public:
  explicit Filter(uint32_t otherwise) : context_(seccomp_init(otherwise)) {
    if (context_ == nullptr) failed_ = ENOMEM;
  }
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void Set(scmp_filter_attr attribute, uint32_t value) { Note(seccomp_attr_set(context_, attribute, value)); }
  void Add(uint32_t action, std::initializer_list<const char*> calls) {
    for (const char* call : calls) AddWhere(action, call, {});
  }
  /// Calls that this architecture does not have are none to worry about.
  void AddWhere(uint32_t action, const char* call, std::initializer_list<scmp_arg_cmp> arguments) {
    const int number = seccomp_syscall_resolve_name(call);
    if (number == __NR_SCMP_ERROR || context_ == nullptr) return;
    Note(seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(arguments.size()),
                                arguments.begin()));
  }
  std::string Load() {
    if (failed_ == 0) Note(seccomp_load(context_));
    return failed_ == 0 ? "" : std::string("seccomp: ") + strerror(failed_);
  }

 private:
  void Note(int result) {
    if (result < 0 && failed_ == 0) failed_ = -result;
  }
  scmp_filter_ctx context_;
  int failed_ = 0;
};

}  // namespace

std::string ConfineBeforeExec() {
  Filter filter(SCMP_ACT_ALLOW);
  const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  filter.Add(refuse, {"socket",
                      "socketpair",
                      "connect",
                      "bind",
                      "listen",
                      "accept",
                      "accept4",
                      "ptrace",
                      "process_vm_readv",
                      "process_vm_writev",
                      "kill",
                      "tkill",
                      "pidfd_open",
                      "pidfd_getfd",
                      "pidfd_send_signal",
                      "io_uring_setup",
                      "io_uring_enter",
                      "io_uring_register",
                      "perf_event_open",
                      "bpf",
                      "userfaultfd",
                      "keyctl",
                      "add_key",
                      "request_key",
                      "mount",
                      "umount2",
                      "pivot_root",
                      "chroot",
                      "setns",
                      "unshare",
                      "reboot",
                      "kexec_load",
                      "init_module",
                      "finit_module",
                      "delete_module",
                      "swapon",
                      "swapoff",
                      "quotactl"});
  return filter.Load();
}

std::string ConfineAllThreads() {
  Filter filter(SCMP_ACT_ERRNO(EPERM));
  filter.Set(SCMP_FLTATR_CTL_TSYNC, 1);
  const uint32_t allow = SCMP_ACT_ALLOW;
  // Memory, threads, time, waiting: what an engine needs to run.
  filter.Add(allow, {"mmap",
                     "munmap",
                     "mprotect",
                     "pkey_mprotect",
                     "mremap",
                     "madvise",
                     "brk",
                     "futex",
                     "futex_waitv",
                     "sched_yield",
                     "sched_getaffinity",
                     "sched_getparam",
                     "sched_getscheduler",
                     "membarrier",
                     "rseq",
                     "set_robust_list",
                     "get_robust_list",
                     "exit",
                     "exit_group",
                     "restart_syscall",
                     "rt_sigaction",
                     "rt_sigprocmask",
                     "rt_sigreturn",
                     "sigaltstack",
                     "clock_gettime",
                     "clock_getres",
                     "clock_nanosleep",
                     "nanosleep",
                     "gettimeofday",
                     "time",
                     "getrandom",
                     "getrusage",
                     "sysinfo",
                     "uname",
                     "getpid",
                     "gettid",
                     "getppid",
                     "getuid",
                     "geteuid",
                     "getgid",
                     "getegid",
                     "getcpu",
                     "arch_prctl",
                     "set_tid_address"});
  // The descriptors that it has, and those that are passed to it.
  filter.Add(allow,
             {"read",        "readv",        "pread64",    "write",          "writev",          "pwrite64",
              "close",       "fstat",        "lseek",      "epoll_create1",  "epoll_ctl",       "epoll_wait",
              "epoll_pwait", "epoll_pwait2", "eventfd2",   "timerfd_create", "timerfd_settime", "poll",
              "ppoll",       "select",       "pselect6",   "recvmsg",        "recvfrom",        "sendmsg",
              "sendto",      "getsockopt",   "setsockopt", "shutdown"});
  for (const int command : {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_GET_SEALS})
    filter.AddWhere(allow, "fcntl", {SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))});
  for (const unsigned long command :
       {static_cast<unsigned long>(FIONBIO), static_cast<unsigned long>(FIONREAD)})
    filter.AddWhere(allow, "ioctl", {SCMP_A1(SCMP_CMP_EQ, command)});
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA})
    filter.AddWhere(allow, "prctl", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option))});
  // New threads, no new processes. clone3 hides its flags from a filter: without it the C library falls back
  // to clone.
  filter.AddWhere(allow, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)});
  filter.Add(SCMP_ACT_ERRNO(ENOSYS), {"clone3"});
  // abort() signals its own thread.
  filter.AddWhere(allow, "tgkill", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()))});
  return filter.Load();
}

}  // namespace locus
