#include "resp.h"

#include <charconv>

namespace locus {

namespace {
/// As in runtime/channel/reply.ts.
constexpr size_t kLengthDigitsMax = 10;
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

RespScanner::Found RespScanner::Next(std::string_view bytes) {
  if (!started_) Restart();
  started_ = true;
  for (;;) {
    // Close what is complete; a reply is when nothing is open.
    while (!open_.empty() && open_.back() == 0) open_.pop_back();
    if (open_.empty() && position_ > 0) {
      const Found found = {RespRead::kOk, position_, push_};
      started_ = false;
      return found;
    }
    if (position_ >= bytes.size()) return {};
    if (position_ > reply_bytes_max_) return {RespRead::kBroken, 0, false};
    const char type = bytes[position_];
    size_t cursor = position_ + 1;
    int64_t length = 0;
    std::string_view line;
    RespRead read = RespRead::kOk;
    bool whole_value = true;
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
        read = ReadRespLength(bytes, type, static_cast<int64_t>(reply_bytes_max_), &cursor, &length);
        if (read == RespRead::kOk && length >= 0) {
          cursor += static_cast<size_t>(length) + 2;
          if (cursor > reply_bytes_max_) return {RespRead::kBroken, 0, false};
          if (cursor > bytes.size()) return {};
          if (bytes[cursor - 2] != '\r' || bytes[cursor - 1] != '\n') read = RespRead::kBroken;
        }
        break;
      case '*':
      case '~':
      case '>':
      case '%':
      case '|':
        // An element takes three bytes at least.
        read = ReadRespLength(bytes, type, static_cast<int64_t>(reply_bytes_max_ / 3), &cursor, &length);
        if (read != RespRead::kOk) break;
        if (type == '%' || type == '|') length *= 2;
        if (open_.size() >= kRespDepthMax) return {RespRead::kBroken, 0, false};
        if (position_ == 0 && type == '>') push_ = true;
        if (type == '|') {
          // Comes before the value that it is about and is no element itself.
          if (open_.empty()) open_.push_back(1);
          if (length > 0) open_.push_back(length);
          position_ = cursor;
          continue;
        }
        if (!open_.empty()) open_.back()--;
        if (length > 0) open_.push_back(length);
        position_ = cursor;
        whole_value = false;
        break;
      default:
        return {RespRead::kBroken, 0, false};
    }
    if (read == RespRead::kNeedMore) return {};
    if (read == RespRead::kBroken) return {RespRead::kBroken, 0, false};
    if (!whole_value) continue;
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

}  // namespace locus
