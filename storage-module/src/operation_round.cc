#include "operation_round.h"

#include "frames.h"

namespace locus {

namespace {

/// A word takes at least `$0\r\n\r\n`.
constexpr size_t kWordBytesMin = 6;

/// Reads `<type><number>\r\n`. Numbers are plain: no sign, no leading zero, at most `max`.
bool ReadNumber(std::string_view bytes, char type, uint32_t max, size_t* cursor, uint32_t* number) {
  size_t at = *cursor;
  if (at >= bytes.size() || bytes[at] != type) return false;
  const size_t first = ++at;
  uint64_t value = 0;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9') {
    value = value * 10 + static_cast<uint64_t>(bytes[at++] - '0');
    if (value > max) return false;
  }
  const size_t digits = at - first;
  if (digits == 0 || (digits > 1 && bytes[first] == '0')) return false;
  if (bytes.size() - at < 2 || bytes[at] != '\r' || bytes[at + 1] != '\n') return false;
  *number = static_cast<uint32_t>(value);
  *cursor = at + 2;
  return true;
}

}  // namespace

bool OperationRound::Read(uint64_t invocation, Place place, std::string_view payload) {
  RoundHeader header;
  if (!TakeRoundHeader(&payload, &header) || payload.size() > kRoundBytesMax) return false;
  if (header.count == 0 || header.count > kRoundOperationsMax) return false;
  invocation_ = invocation;
  place_ = place;
  number_ = header.round;
  next_ = 0;
  reply_bytes = 0;
  follower = nullptr;
  words_.clear();
  operations_.clear();
  bytes_.assign(payload);
  size_t cursor = 0;
  for (uint32_t i = 0; i < header.count; i++) {
    if (!ReadCommand(&cursor)) return false;
  }
  return cursor == bytes_.size();
}

bool OperationRound::ReadCommand(size_t* cursor) {
  const std::string_view bytes = bytes_;
  uint32_t word_count = 0;
  const auto words_max = static_cast<uint32_t>(bytes.size() / kWordBytesMin);
  if (!ReadNumber(bytes, '*', words_max, cursor, &word_count) || word_count == 0) return false;
  Operation operation;
  operation.first_word = static_cast<uint32_t>(words_.size());
  operation.word_count = word_count;
  for (uint32_t i = 0; i < word_count; i++) {
    uint32_t length = 0;
    if (!ReadNumber(bytes, '$', kRoundBytesMax, cursor, &length)) return false;
    if (bytes.size() - *cursor < uint64_t{length} + 2) return false;
    words_.push_back(bytes.substr(*cursor, length));
    *cursor += length;
    if (bytes[*cursor] != '\r' || bytes[*cursor + 1] != '\n') return false;
    *cursor += 2;
  }
  const auto argv = words(operation);
  const CommandRule* rule = FindCommand(argv[0], word_count > 1 ? argv[1] : std::string_view());
  if (rule != nullptr && !CheckArguments(*rule, argv)) operation.rule = rule;
  operations_.push_back(operation);
  return true;
}

}  // namespace locus
