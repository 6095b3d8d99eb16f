#include "json_text.h"

#include <charconv>
#include <cstdio>
#include <cstring>

namespace locus {

namespace {

/// Bytes of the UTF-8 character at the beginning, 0 if there is none.
size_t CharacterBytes(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](size_t from, size_t count) {
    if (bytes.size() < from + count) return false;
    for (size_t i = from; i < from + count; i++) {
      if ((at(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1, 1) ? 2 : 0;
  if ((first & 0xf0) == 0xe0) {
    if (!continues(1, 2)) return 0;
    const bool overlong = first == 0xe0 && at(1) < 0xa0;
    const bool surrogate = first == 0xed && at(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!continues(1, 3)) return 0;
    const bool overlong = first == 0xf0 && at(1) < 0x90;
    const bool beyond = first == 0xf4 && at(1) >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    // Eight ASCII bytes at a time: what arguments mostly are.
    uint64_t word;
    if (bytes.size() >= sizeof word) {
      std::memcpy(&word, bytes.data(), sizeof word);
      if ((word & 0x8080808080808080) == 0) {
        bytes.remove_prefix(sizeof word);
        continue;
      }
    }
    const size_t length = CharacterBytes(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

void AppendJsonString(std::string* to, std::string_view text) {
  to->push_back('"');
  while (!text.empty()) {
    const char c = text[0];
    if (c == '"' || c == '\\') {
      to->push_back('\\');
      to->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      to->append(escaped);
    } else {
      const size_t length = CharacterBytes(text);
      if (length == 0) {
        to->append("\xef\xbf\xbd");
      } else {
        to->append(text.substr(0, length));
        text.remove_prefix(length);
        continue;
      }
    }
    text.remove_prefix(1);
  }
  to->push_back('"');
}

void AppendJsonName(std::string* to, std::string_view name) {
  if (!to->empty() && to->back() != '{') to->push_back(',');
  to->push_back('"');
  to->append(name).append("\":");
}

void AppendJsonNumber(std::string* to, std::string_view name, uint64_t value) {
  AppendJsonName(to, name);
  to->append(std::to_string(value));
}

void AppendJsonDouble(std::string* to, double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  to->append(text, end);
}

// By whole numbers: `%.3f` of the double was a twentieth of what Redis works for a call.
void AppendJsonUs(std::string* to, std::string_view name, int64_t ns) {
  AppendJsonName(to, name);
  if (ns < 0) to->push_back('-');
  const uint64_t left = ns < 0 ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  char text[32];
  char* end = std::to_chars(text, text + sizeof text, left / 1'000).ptr;
  *end++ = '.';
  for (const uint64_t thousandths : {100, 10, 1}) *end++ = static_cast<char>('0' + left / thousandths % 10);
  to->append(text, end);
}

std::string JsonStrings(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json.push_back(',');
    AppendJsonString(&json, text);
  }
  json.push_back(']');
  return json;
}

}  // namespace locus
