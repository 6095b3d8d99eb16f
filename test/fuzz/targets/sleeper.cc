// Stands for a sandbox host where its supervisor is fuzzed: sleeps until it is killed, or its parent ends.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) pause();
}
