#include "resp.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "codes.h"
#include "lane.h"

namespace locus {

namespace {

/// As in runtime/channel/reply.ts.
constexpr size_t kLengthDigitsMax = 10;
/// What is too large is followed by its length, whatever that is.
constexpr int64_t kLengthMax = 9'999'999'999;

}  // namespace

RespRead ReadRespLine(std::string_view bytes, size_t* cursor, std::string_view* line) {
  // A line that is too long is told as soon as it is, and not read again and again until it ends.
  const std::string_view window = bytes.substr(*cursor, kRespLineBytesMax + 2);
  const size_t end = window.find('\r');
  if (end > kRespLineBytesMax && (end != window.npos || window.size() > kRespLineBytesMax))
    return RespRead::kBroken;
  if (end == window.npos || end + 1 >= window.size()) return RespRead::kNeedMore;
  if (window[end + 1] != '\n') return RespRead::kBroken;
  *line = window.substr(0, end);
  *cursor += end + 2;
  return RespRead::kOk;
}

RespRead ReadRespLength(std::string_view bytes, char type, int64_t max, size_t* cursor, int64_t* length) {
  std::string_view line;
  const RespRead read = ReadRespLine(bytes, cursor, &line);
  if (read != RespRead::kOk) return read;
  *length = -1;
  if (line == "-1") return type == '$' || type == '*' ? RespRead::kOk : RespRead::kBroken;
  if (line.empty() || line.size() > kLengthDigitsMax) return RespRead::kBroken;
  *length = 0;
  for (const char digit : line) {
    if (digit < '0' || digit > '9') return RespRead::kBroken;
    *length = *length * 10 + (digit - '0');
  }
  return *length > max ? RespRead::kBroken : RespRead::kOk;
}

void RespScanner::Restart() {
  position_ = 0;
  dropped_ = 0;
  skip_ = 0;
  open_.clear();
  push_ = false;
  too_large_ = false;
}

RespScanner::Found RespScanner::NeedMore() {
  if (!too_large_) return {};
  dropped_ += position_;
  return {RespRead::kNeedMore, std::exchange(position_, 0), push_, true};
}

/// Whether the reply, up to `more` bytes behind what was read, passes the limit.
bool RespScanner::IsTooLarge(uint64_t more) {
  too_large_ |= dropped_ + position_ + more > reply_bytes_max_;
  return too_large_;
}

RespScanner::Found RespScanner::Next(std::string_view bytes) {
  if (!started_) Restart();
  started_ = true;
  for (;;) {
    const size_t skipped = std::min<uint64_t>(skip_, bytes.size() - position_);
    position_ += skipped;
    skip_ -= skipped;
    if (skip_ > 0) return NeedMore();
    // Close what is complete; a reply is when nothing is open.
    while (!open_.empty() && open_.back() == 0) open_.pop_back();
    const bool too_large = IsTooLarge(0);
    if (open_.empty() && dropped_ + position_ > 0) {
      started_ = false;
      return {RespRead::kOk, position_, push_, too_large};
    }
    if (position_ >= bytes.size()) return NeedMore();
    const char type = bytes[position_];
    size_t cursor = position_ + 1;
    int64_t length = 0;
    std::string_view line;
    RespRead read = RespRead::kOk;
    switch (type) {
      case '+':
      case '-':
      case ':':
      case '_':
      case '#':
      case ',':
      case '(':
        read = ReadRespLine(bytes, &cursor, &line);
        break;
      case '$':
      case '=':
      case '!':
        read = ReadRespLength(bytes, type, kLengthMax, &cursor, &length);
        if (read != RespRead::kOk || length < 0) break;
        if (IsTooLarge(cursor - position_ + static_cast<uint64_t>(length) + 2)) {
          skip_ = static_cast<uint64_t>(length) + 2;
          break;
        }
        cursor += static_cast<size_t>(length) + 2;
        if (cursor > bytes.size()) return NeedMore();
        if (bytes[cursor - 2] != '\r' || bytes[cursor - 1] != '\n') read = RespRead::kBroken;
        break;
      case '*':
      case '~':
      case '>':
      case '%':
      case '|':
        read = ReadRespLength(bytes, type, kLengthMax, &cursor, &length);
        if (read != RespRead::kOk) break;
        // An element takes three bytes at least.
        if (length > 0) IsTooLarge(static_cast<uint64_t>(length) * 3);
        if (type == '%' || type == '|') length *= 2;
        if (open_.size() >= kRespDepthMax) return {RespRead::kBroken};
        if (dropped_ + position_ == 0 && type == '>') push_ = true;
        if (type == '|') {
          // Comes before the value that it is about and is no element itself.
          if (open_.empty()) open_.push_back(1);
        } else if (!open_.empty()) {
          open_.back()--;
        }
        if (length > 0) open_.push_back(length);
        position_ = cursor;
        continue;
      default:
        return {RespRead::kBroken};
    }
    if (read == RespRead::kNeedMore) return NeedMore();
    if (read != RespRead::kOk) return {RespRead::kBroken};
    position_ = cursor;
    if (!open_.empty()) open_.back()--;
  }
}

void AppendBulk(std::string* to, std::string_view bytes) {
  char header[24];
  header[0] = '$';
  char* end = std::to_chars(header + 1, header + 22, bytes.size()).ptr;
  *end++ = '\r';
  *end++ = '\n';
  to->append(header, static_cast<size_t>(end - header));
  to->append(bytes);
  to->append("\r\n", 2);
}

void AppendArrayHeader(std::string* to, size_t count) {
  char header[24];
  header[0] = '*';
  char* end = std::to_chars(header + 1, header + 22, count).ptr;
  *end++ = '\r';
  *end++ = '\n';
  to->append(header, static_cast<size_t>(end - header));
}

void AppendRepliesLimit(std::string* to) {
  to->append("-").append(CodeRedisPrefix(Code::OPERATIONS_LIMIT));
  to->append(" the replies of this round have more than " + std::to_string(kRepliesBytesMax) +
             " bytes together: ask for less at once\r\n");
}

}  // namespace locus
