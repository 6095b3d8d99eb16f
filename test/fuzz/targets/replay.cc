// Where there is no libFuzzer: runs a target on each of the files that are named, and on what comes of them
// when they are cut short.
#include <fstream>
#include <iterator>

#include "target.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const size_t step = bytes.size() / 16 + 1;
    for (size_t end = bytes.size() % step; end <= bytes.size(); end += step) {
      // A copy of exactly this length: AddressSanitizer sees what is read beyond it.
      const std::string input = bytes.substr(0, end);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(std::string(input).c_str()), input.size());
    }
  }
}
