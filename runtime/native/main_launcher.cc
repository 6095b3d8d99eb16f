// The launcher: the last step before a sandbox host runs, the same on both sides. It lets go of everything
// that the host must not have and becomes the host.
//
//   launcher --parent PID --descriptors N --confine on|off --nice N -- PROGRAM [ARGUMENT …]
//
// Keeps descriptors 0 … N-1, dies with the parent, is the first to go when memory runs out, is nicer than
// the parent by what `--nice` says, gains no privileges. With `--confine on` also: namespaces without a
// network, an unprivileged user, the first filter for system calls, each where the machine allows it; what
// holds is the program's last argument, `confined=user,network,…`.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "confinement.h"

namespace {

/// "nobody" on every Linux.
constexpr uid_t kNobody = 65534;

[[noreturn]] void Fail(const char* what) {
  perror(what);
  _exit(127);
}

void CloseFrom(int first) {
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < limit; fd++) close(fd);
}

bool WriteFile(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

/// No network, no System V queues, no host name of the machine's. Without the right to it, inside a user
/// namespace.
bool LeaveNamespaces() {
  constexpr int kSpaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  if (unshare(kSpaces) == 0) return true;
  const std::string user = std::to_string(geteuid()), group = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER | kSpaces) != 0) return false;
  // Without these lines the process would be nobody to its own files.
  WriteFile("/proc/self/setgroups", "deny");
  return WriteFile("/proc/self/uid_map", user + " " + user + " 1") &&
         WriteFile("/proc/self/gid_map", group + " " + group + " 1");
}

bool Readable(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/// Becomes nobody, when that one can read what has to be loaded.
bool BecomeNobody(const std::vector<std::string>& needed) {
  if (geteuid() != 0) return false;
  setfsgid(kNobody);
  setfsuid(kNobody);
  bool readable = true;
  for (const std::string& path : needed) readable &= Readable(path);
  setfsuid(0);
  setfsgid(0);
  return readable && setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
         setresuid(kNobody, kNobody, kNobody) == 0;
}

/// What no program that is started from here can get back. Needs a right that nobody has not: comes before
/// the change of user.
void BoundCapabilities() {
  for (int capability = 0; capability <= 63; capability++) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

bool DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

struct Options {
  pid_t parent = 0;
  int descriptors = 3;
  int nice = 0;
  bool confine = false;
  char** program = nullptr;
};

Options Parse(int argc, char** argv) {
  Options options;
  int at = 1;
  for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
    const std::string name = argv[at];
    if (name == "--parent") options.parent = atoi(argv[at + 1]);
    if (name == "--descriptors") options.descriptors = atoi(argv[at + 1]);
    if (name == "--nice") options.nice = atoi(argv[at + 1]);
    if (name == "--confine") options.confine = strcmp(argv[at + 1], "on") == 0;
  }
  if (at + 1 < argc && strcmp(argv[at], "--") == 0 && options.parent > 0) options.program = argv + at + 1;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  if (options.program == nullptr) {
    fprintf(stderr,
            "usage: launcher --parent PID --descriptors N --confine on|off --nice N -- PROGRAM "
            "[ARGUMENT ...]\n");
    return 2;
  }
  CloseFrom(options.descriptors);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  std::string confined = "confined=";
  // To be nicer is refused to nobody; beyond 19 it is 19.
  if (options.nice > 0) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + options.nice);
  // Best effort: an unprivileged process may always raise its own score.
  if (WriteFile("/proc/self/oom_score_adj", "1000")) confined += "oom,";
  std::vector<char*> words;
  std::vector<std::string> files = {options.program[0]};
  for (char** word = options.program; *word != nullptr; word++) {
    words.push_back(*word);
    if (**word == '/') files.push_back(*word);
  }
  if (options.confine) {
    if (LeaveNamespaces()) confined += "network,ipc,";
    BoundCapabilities();
    if (BecomeNobody(files)) confined += "user,";
    if (DropCapabilities()) confined += "capabilities,";
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fail("launcher: PR_SET_NO_NEW_PRIVS");
  // After the change of user, which takes it away again.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("launcher: PR_SET_PDEATHSIG");
  // The parent may have died before the line above.
  if (getppid() != options.parent) return 1;
  if (options.confine) {
    const std::string failed = locus::ConfineBeforeExec();
    if (failed.empty()) confined += "calls,";
  }
  confined.pop_back();
  words.push_back(confined.data());
  words.push_back(nullptr);
  execv(words[0], words.data());
  Fail(words[0]);
}
