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

/// Finds the ends of replies in a growing buffer without reading any byte twice. What of a reply passes the
/// limit need not be kept: it is followed by its lengths, however deep, to its end.
class RespScanner {
 public:
  explicit RespScanner(uint64_t reply_bytes_max) : reply_bytes_max_(reply_bytes_max) {}

  /// Bytes of the replies to come, and of the present one.
  void set_reply_bytes_max(uint64_t max) { reply_bytes_max_ = max; }

  struct Found {
    RespRead state = RespRead::kNeedMore;
    /// Where the reply ends, when kOk. When more is needed, how much of the buffer's front is of no use.
    size_t end = 0;
    bool push = false;       ///< an out-of-band push: not a reply
    bool too_large = false;  ///< what it holds is not there any more
  };
  /// `bytes` must begin where the last `end` was, and must extend what was given before. kBroken: no RESP, or
  /// a single line of more than `kRespLineBytesMax`.
  Found Next(std::string_view bytes);

 private:
  void Restart();
  Found NeedMore();
  bool IsTooLarge(uint64_t more);

  uint64_t reply_bytes_max_;
  uint64_t dropped_ = 0;  ///< bytes of the present reply that are not in the buffer any more
  uint64_t skip_ = 0;     ///< of a value whose length is known and whose bytes are not wanted, still to come
  size_t position_ = 0;
  std::vector<int64_t> open_;  ///< elements still to come, per nesting level
  bool push_ = false;
  bool too_large_ = false;
  bool started_ = false;
};

/// Appends `$<length>\r\n<bytes>\r\n`.
void AppendBulk(std::string* to, std::string_view bytes);
/// Appends `*<count>\r\n`.
void AppendArrayHeader(std::string* to, size_t count);
/// Appends the error that stands for a reply with which its round's replies would be too large.
void AppendRepliesLimit(std::string* to);

}  // namespace locus
