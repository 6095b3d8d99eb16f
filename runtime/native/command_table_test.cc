// Holds command_table.cc to what TypeScript says (test/native/command-table.test.ts builds and runs it). Each
// line of standard input is a case, words in hexadecimal, "-" for an empty one:
//   check MESSAGE WORD…      CheckOperation must answer the message; "-" stands for none
//   row INDEX READ NAME SUB  FindCommand must find the row of that index; READ is 1 or 0
// Prints one line per failure; exits with 1 if there was one, or no case at all.
#include "command_table.h"

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::string FromHex(const std::string& hex) {
  std::string bytes;
  if (hex == "-") return bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// What went wrong, or nothing.
std::string RunCheck(const std::vector<std::string>& words) {
  const std::vector<std::string_view> argv(words.begin() + 1, words.end());
  const std::optional<locus::Refusal> refusal = locus::CheckOperation(argv);
  const std::string message = refusal ? refusal->message : "";
  return message == words[0] ? "" : "answered \"" + message + "\", expected \"" + words[0] + "\"";
}

std::string RunRow(size_t index, bool read, const std::vector<std::string>& words) {
  const locus::CommandRule* rule = locus::FindCommand(words[0], words[1]);
  if (rule != &locus::CommandRules()[index]) return rule == nullptr ? "found no row" : "found another row";
  return locus::IsRead(*rule) == read ? "" : "has the other access";
}

}  // namespace

int main() {
  size_t cases = 0;
  size_t failures = 0;
  for (std::string line; std::getline(std::cin, line); ++cases) {
    std::istringstream fields(line);
    std::string kind;
    fields >> kind;
    size_t index = 0;
    bool read = false;
    if (kind == "row") fields >> index >> read;
    std::vector<std::string> words;
    for (std::string hex; fields >> hex;) words.push_back(FromHex(hex));
    const std::string failure = kind == "row" ? RunRow(index, read, words) : RunCheck(words);
    if (failure.empty()) continue;
    ++failures;
    std::printf("case %zu, %s: %s\n", cases + 1, line.c_str(), failure.c_str());
  }
  if (cases == 0) std::puts("no case was given");
  return failures > 0 || cases == 0 ? 1 : 0;
}
