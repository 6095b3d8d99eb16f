// What calls of plain Redis clients were at, and when: LOCUS.TRACE, in the manner of SLOWLOG. Kept of those
// that were slow, failed by no mistake of their caller, or did not stay where they began; a call of a node
// has its trace there (compute/node/trace.ts, whose steps these are). Names and lengths only: no key, no
// argument, no result, no error's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "plan_follower.h"
#include "supervisor.h"

namespace locus {

/// As SLOWLOG's default.
constexpr size_t kTracesMax = 128;
/// Of a user's name; what is longer is cut.
constexpr size_t kTracedUserBytesMax = 64;

/// The time of a call at one side. Times: NowNs() clock.
struct Stay {
  Side side = Side::kStorage;
  int64_t from_ns = 0;
  int64_t until_ns = 0;
  int64_t taken_ns = 0;      ///< by a node; 0: was not
  bool told = false;         ///< the node that took it has said what it used
  bool pushed_back = false;  ///< the stay ended so
  Usage usage;
};

/// What it was called with.
struct CallSizes {
  size_t keys = 0;
  size_t key_bytes = 0;
  size_t args_bytes = 0;
};

struct Trace {
  uint64_t id = 0;     ///< greater than that of all before
  int64_t time_s = 0;  ///< Unix time when the call was admitted
  int64_t admitted_ns = 0;
  int64_t elapsed_ns = 0;  ///< from there to its answer
  std::string function;
  std::string version;
  std::string user;
  CallSizes sizes;
  Code code = Code::kOk;
  size_t result_bytes = 0;
  std::vector<Stay> stays;  ///< four at most; never empty

  /// What LOCUS.TRACE GET shows behind the version.
  std::string Json() const;
};

/// The last of them. Main thread only.
class Traces {
 public:
  /// Gives it its id. Beyond the bound the oldest goes.
  void Keep(Trace trace);
  void Reset() { kept_.clear(); }
  /// The oldest first.
  const std::deque<Trace>& kept() const { return kept_; }

 private:
  std::deque<Trace> kept_;
  uint64_t ids_ = 0;
};

}  // namespace locus
