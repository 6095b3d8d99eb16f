// One operation, its words a line each, against the table of what functions may call.
#include <vector>

#include "command_table.h"
#include "target.h"

namespace {

using Words = std::vector<std::string>;

std::string Asked(const Words& words) {
  const std::vector<std::string_view> argv(words.begin(), words.end());
  const auto refusal = locus::CheckOperation(argv);
  return refusal ? refusal->message : "";
}

std::string Swapped(std::string word) {
  for (char& c : word) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) c ^= 0x20;
  }
  return word;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Words words(1);
  for (size_t i = 0; i < size; i++) {
    if (data[i] == '\n') {
      words.emplace_back();
    } else {
      words.back().push_back(static_cast<char>(data[i]));
    }
  }
  const std::string refusal = Asked(words);
  EXPECT(refusal.size() <= 200);
  for (const char c : refusal) EXPECT(c >= 0x20 && c < 0x7f);
  // A command is the same however it is spelled.
  Words spelled = words;
  spelled[0] = Swapped(spelled[0]);
  EXPECT(Asked(spelled).empty() == refusal.empty());
  // What may not be sent may not be sent with a key of locus' own behind it.
  if (words.size() > 1 && !refusal.empty() && locus::FindCommand(words[0], words[1]) == nullptr) {
    words.emplace_back("locus:x");
    EXPECT(!Asked(words).empty());
  }
  return 0;
}
