// Opening isolates: each on a thread of its own, so that they open on as many cores as there are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lane.h"

namespace locus {

struct OpenRequest {
  uint64_t id = 0;
  uint32_t lane = 0;  ///< kControlLane: the bundle is only checked
  uint32_t memory_mb = 0;
  std::string version;  ///< by which V8's code of the bundle is kept; empty: it is not
  std::string bundle;
};

/// What a definition's description says, or why it cannot be used (`failure`, then nothing else).
struct Described {
  std::string failure;
  std::string description;  ///< JSON
  std::string input;        ///< schemas as JSON, empty where there is none
  std::string output;
};

/// Reads a definition (JSON) on Node's main thread. `answer` comes once, on any thread.
using Describe = std::function<void(std::string definition, std::string bundle,
                                    std::function<void(Described&&)> answer)>;
using SendControlFrame = std::function<void(Control kind, uint64_t id, std::string_view payload)>;

/// Once, before the first is opened.
void SetUpOpening(Describe describe, SendControlFrame send);
/// Compiles what isolates share, in one that is thrown away: behind the first calls, which work without it.
void WarmIsolates();
/// Starts the thread. What becomes of it is told on the control lane; when a lane's isolate is gone, that as well.
void OpenIsolate(OpenRequest&& request);

}  // namespace locus
