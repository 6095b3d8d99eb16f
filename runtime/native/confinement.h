// What a sandbox host may not do, whatever runs in it. Two filters for system calls: one that the launcher
// sets before Node starts (no new sockets, no reach into other processes), one that the host sets on all its
// threads when everything is loaded (a short list of calls, no path, no program, no process).
// docs/security.md says what this is for.
#pragma once

#include <string>

namespace locus {

/// Stage one, before exec. Empty on success, else what stands in the way.
std::string ConfineBeforeExec();
/// Stage two, all threads, when nothing more has to be loaded.
std::string ConfineAllThreads();

}  // namespace locus
