// The supervisor's bounds in time and number. Chosen, not measured, where nothing else is said.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bell.h"

namespace locus {

/// An isolate answers its own deadlines; after this the supervisor answers in its stead (it is stuck in
/// another turn).
constexpr int64_t kAnswerGraceNs = 20 * kMs;
/// After this past its deadline an invocation that is still in an isolate costs its host the life.
constexpr int64_t kKillGraceNs = 1000 * kMs;
/// Loading a bundle, start of the isolate included, from when the host has it.
constexpr int64_t kOpenDeadlineNs = 10'000 * kMs;
/// How long a bundle waits for its check to begin.
constexpr int64_t kCheckPatienceNs = 10'000 * kMs;
/// A host that has not reported itself ready by then is started anew: Node starts in 0.1 s on an idle
/// machine.
constexpr int64_t kStartDeadlineNs = 30'000 * kMs;
/// First and longest pause before a host that did not come up, or an isolate to be kept that did not load, is
/// tried again; doubles in between.
constexpr int64_t kRestartPauseNs = 50 * kMs;
constexpr int64_t kRestartPauseMaxNs = 5'000 * kMs;
/// The pause after so many failures before this one.
constexpr int64_t PauseNs(uint32_t failures) {
  return std::min(kRestartPauseNs << std::min<uint32_t>(failures, 7), kRestartPauseMaxNs);
}

/// Args and keys of everything that is in flight or waits, and bundles that are tried. Chosen: a thousand
/// calls of usual size, or 64 of the largest.
constexpr uint64_t kHeldBytesMax = 64ull << 20;
/// Deadlines of calls that have ended, besides as many as there are calls.
constexpr size_t kStaleDeadlinesMax = 4096;
/// Frames taken from one lane before others have their turn.
constexpr int kFramesPerPoll = 256;
/// Polls of the ring of an isolate that has gone, of kFramesPerPoll each: the ring cannot hold as much.
constexpr int kLastWordsPollsMax = 64;
/// What is read at once of what a host writes to its output, and how long it then waits.
constexpr size_t kOutputBytesPerRead = 16 * 1024;
constexpr int64_t kOutputPauseNs = 250 * kMs;
/// How often is asked which cores a host and its owner have.
constexpr int64_t kSpinnersEveryNs = 1000 * kMs;
/// A host that lived for less is followed by a pause, as one that never came up.
constexpr int64_t kShortLifeNs = 1000 * kMs;
/// Bundles under check in one host at once.
constexpr uint32_t kChecksMax = 4;
/// Memory of an isolate that checks a bundle, MiB: as host_opening.cc has it.
constexpr uint32_t kCheckMemoryMb = 64;

/// How often an invocation that had sent no write is started, deaths of its host included.
constexpr uint32_t kStartsMax = 3;
/// Hosts for functions that cost a process; when all are taken they share.
constexpr uint32_t kQuarantineHostsMax = 4;
/// Functions remembered as having cost a process; the oldest is forgotten for one more.
constexpr size_t kQuarantinedMax = 64;
/// Invocations that end as they should before a function may leave quarantine.
constexpr uint32_t kGoodInvocationsToLeave = 100;
/// A quarantine host that nobody uses is ended after this.
constexpr int64_t kQuarantineIdleNs = 30'000 * kMs;

/// How long whoever asks for isolates waits for them. Chosen: what a host has to come up.
constexpr int64_t kKeepPatienceNs = 30'000 * kMs;
/// Of one function, at once: one more is told so, and its bounds hold nevertheless.
constexpr size_t kWishesMax = 1024;
/// Versions with bounds: each holds its bundle, open or not.
constexpr size_t kBoundFunctionsMax = 1024;
/// Isolates under way in one host when one more is opened that no call waits for: a bundle that hangs while it is
/// loaded keeps nobody from the first isolate of a function.
constexpr uint32_t kKeptOpeningsMax = 2;
/// Nothing is opened for the bounds of a function for so long when hosts have died again and again while they
/// loaded it: each time others lose their host as well.
constexpr int64_t kDeadlyPauseNs = 30'000 * kMs;
/// A kept isolate that made room for another function is opened again after this at the earliest; how often
/// room is looked for where there is none.
constexpr int64_t kReopenPauseNs = 1000 * kMs;
/// The only isolate of a version stays open beyond its function's limit for so long after a call. Chosen:
/// while a deployment spreads, versions are called in turn.
constexpr int64_t kVersionPauseNs = 1000 * kMs;
/// How often the memory of an isolate is looked at, and not only when somebody asks.
constexpr int64_t kMemoryLookNs = 100 * kMs;

/// What a host may have resident besides its isolates' own limits: Node itself (about 100 MB), bundles,
/// replies on their way (64 MiB at most in one round).
constexpr uint64_t kHostBytesBase = 256ull << 20;
/// What an isolate costs beyond its limit: code, stacks, the young generation's second half.
constexpr uint64_t kIsolateBytesExtra = 24ull << 20;
/// What an isolate with this limit may have resident.
constexpr uint64_t AllowedBytes(uint32_t memory_mb) {
  return (uint64_t{memory_mb} << 20) + kIsolateBytesExtra;
}

/// What an isolate holds besides heap and buffers, as measured: its thread's stack, its rings, V8's tables.
constexpr uint64_t kIsolateBytesFixed = 448 << 10;
/// What an isolate of a small function holds, and the least that any does.
constexpr uint64_t kIsolateBytesUsual = 1536 << 10;
constexpr uint64_t kIsolateBytesLeast = 1 << 20;
/// Isolates that open at once, unless there are more than half as many cores.
constexpr uint32_t kOpeningsMin = 4;
/// Memory maps that an isolate takes, as measured: 20 to 30. What the kernel allows a process if it does not say.
constexpr uint32_t kMapsPerIsolate = 40;
constexpr uint32_t kMapsMaxUsual = 65'530;
/// Isolates that close while others have taken their room. Not sensitive.
constexpr uint32_t kClosingMax = 64;

/// A function that was called at least so often lately (`Use::CallsAt`) is opened again when its host has died: once
/// in the last minute.
constexpr double kCallsToComeBack = 0.5;

/// What a host may say of itself.
constexpr size_t kAboutBytesMax = 4 * 1024;
constexpr size_t kLogLineBytesMax = 8 * 1024;
/// Why something of its came to an end: every caller may be told. Longer texts are cut.
constexpr size_t kReasonBytesMax = 1024;

}  // namespace locus
