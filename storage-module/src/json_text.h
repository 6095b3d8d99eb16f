// JSON as the module writes it: strings that are escaped, bytes that are checked to be UTF-8 first. What it
// reads, it reads with nlohmann/json in the one file that needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace locus {

/// Whether the bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF.
bool IsUtf8(std::string_view bytes);

/// Appends the text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string* to, std::string_view text);
/// Appends `"name":`, with a comma before it unless it is an object's first.
void AppendJsonName(std::string* to, std::string_view name);
void AppendJsonNumber(std::string* to, std::string_view name, uint64_t value);
/// The shortest text that reads as the same number, which must be finite.
void AppendJsonDouble(std::string* to, double value);
/// Nanoseconds as microseconds with their fraction.
void AppendJsonUs(std::string* to, std::string_view name, int64_t ns);
std::string JsonStrings(const std::vector<std::string>& texts);

}  // namespace locus
