// The options of LOCUS.NODE RUN and TRY, JSON that a node sends with each call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reply.h"

namespace locus {

/// Bytes of a RUN's options.
constexpr size_t kOptionsBytesMax = 4 * 1024;
/// Bytes of a caller's name for its call.
constexpr size_t kCancelIdBytesMax = 128;
/// As LIMITS.deadlineMs in runtime/function/description.ts.
constexpr int64_t kDeadlineMsMax = 300'000;
/// Of a call that is pushed back: no call computes for longer.
constexpr int64_t kBackCpuUsMax = kDeadlineMsMax * 1'000;

struct RunOptions {
  int64_t deadline_ms = 0;  ///< 0: the function's own
  bool logs = false;
  std::string cancel_id;  ///< empty: none
  /// Pushed back when it has computed for so long and has sent nothing but reads; 0: never.
  int64_t back_cpu_us = 0;
};

/// REQUEST_INVALID, saying which option and why, where `text` is not what a node may send with `command`.
Failure ReadRunOptions(const char* command, std::string_view text, RunOptions* options);

}  // namespace locus
