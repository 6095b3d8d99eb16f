// Lines from functions' consoles and from sandbox hosts, for Redis' log. Whoever writes a function decides
// how much it says: no more than `kLogLinesPerSecond` get through, and the rest is counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bell.h"
#include "redis_api.h"
#include "reply.h"

namespace locus {

constexpr int kLogLinesPerSecond = 100;

/// Used by the service thread only.
class LogLines {
 public:
  /// `context`: one that lives as long as the module, for its name in each line.
  void Open(RedisModuleCtx* context) { context_ = context; }

  void Write(std::string_view source, std::string_view text) {
    const int64_t now = NowNs();
    if (now - window_started_ns_ >= 1'000'000'000) {
      if (dropped_ > 0) redis::Log(context_, "notice", "%d more lines of functions were dropped", dropped_);
      window_started_ns_ = now;
      written_ = dropped_ = 0;
    }
    if (written_ == kLogLinesPerSecond) {
      dropped_++;
      return;
    }
    written_++;
    redis::Log(context_, "notice", "%s: %s", OneLine(source).c_str(), OneLine(text).c_str());
  }

 private:
  RedisModuleCtx* context_ = nullptr;
  int64_t window_started_ns_ = 0;
  int written_ = 0;
  int dropped_ = 0;
};

}  // namespace locus
