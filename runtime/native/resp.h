// RESP as the sandbox needs it: where one reply ends (for streams), and the reading of single lines and
// lengths, with every length checked against a bound before anything is allocated for it. docs/channel.md
// tells which types come up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace locus {

/// Replies nest no deeper than this; Redis' own commands stay below ten.
constexpr size_t kRespDepthMax = 64;

enum class RespRead { kOk, kNeedMore, kBroken };

/// Bytes of one line, at most: REPLY_LINE_BYTES_MAX in runtime/channel/reply.ts.
constexpr size_t kRespLineBytesMax = 64 * 1024;

/// One line after its type byte: `*cursor` stands after the type and moves behind the CRLF.
RespRead ReadRespLine(std::string_view bytes, size_t* cursor, std::string_view* line);

/// The length or count after `type`: 0 … `max`, plain digits; -1 for the nil strings and arrays of RESP2.
RespRead ReadRespLength(std::string_view bytes, char type, int64_t max, size_t* cursor, int64_t* length);

/// Finds the ends of replies in a growing buffer without reading any byte twice.
class RespScanner {
 public:
  explicit RespScanner(uint64_t reply_bytes_max) : reply_bytes_max_(reply_bytes_max) {}

  struct Found {
    RespRead state = RespRead::kNeedMore;
    size_t end = 0;     ///< where the reply ends, when kOk
    bool push = false;  ///< an out-of-band push: not a reply
  };
  /// `bytes` must begin where the last found reply ended, and must extend what was given before.
  Found Next(std::string_view bytes);
  /// Bytes of the present reply known to be still missing: a hint for the reader's buffer.
  size_t position() const { return position_; }

 private:
  void Restart() {
    position_ = 0;
    open_.clear();
    push_ = false;
    started_ = false;
  }
  uint64_t reply_bytes_max_;
  size_t position_ = 0;
  std::vector<int64_t> open_;  ///< elements still to come, per nesting level
  bool push_ = false;
  bool started_ = false;
};

/// Appends `$<length>\r\n<bytes>\r\n`.
void AppendBulk(std::string* to, std::string_view bytes);
/// Appends `*<count>\r\n`.
void AppendArrayHeader(std::string* to, size_t count);

}  // namespace locus
