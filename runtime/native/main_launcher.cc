// The launcher: the last step before a sandbox host runs, the same on both sides. It lets go of everything
// that the host must not have and becomes the host.
//
//   launcher --parent PID --descriptors N -- PROGRAM [ARGUMENT …]
//
// Keeps descriptors 0 … N-1, dies with the parent, is the first to go when memory runs out, gains no
// privileges.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

[[noreturn]] void Fail(const char* what) {
  perror(what);
  _exit(127);
}

void CloseFrom(int first) {
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < limit; fd++) close(fd);
}

/// Best effort: an unprivileged process may always raise its own score.
void PreferAsVictim() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = write(fd, "1000", 4);
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  pid_t parent = 0;
  int descriptors = 3;
  int at = 1;
  for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
    if (strcmp(argv[at], "--parent") == 0) {
      parent = atoi(argv[at + 1]);
    } else if (strcmp(argv[at], "--descriptors") == 0) {
      descriptors = atoi(argv[at + 1]);
    } else {
      break;
    }
  }
  if (at + 1 >= argc || strcmp(argv[at], "--") != 0 || parent <= 0) {
    fprintf(stderr, "usage: launcher --parent PID --descriptors N -- PROGRAM [ARGUMENT ...]\n");
    return 2;
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("launcher: PR_SET_PDEATHSIG");
  // The parent may have died before the line above.
  if (getppid() != parent) return 1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fail("launcher: PR_SET_NO_NEW_PRIVS");
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  PreferAsVictim();
  CloseFrom(descriptors);
  execv(argv[at + 1], argv + at + 1);
  Fail(argv[at + 1]);
}
