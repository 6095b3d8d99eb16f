// What the targets share. A target is one file: a function that libFuzzer calls with bytes of its choosing,
// or replay.cc with those of the corpus. It takes them apart with `Input`, hands them to one part of locus,
// and expects of the outcome what must hold whatever the bytes were.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Ends the process where it does not hold: the fuzzer keeps the bytes.
#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

namespace locus {

/// The bytes, taken from the front; zeros and nothing once they have run out.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  /// Little-endian.
  template <typename Number>
  Number Take() {
    Number number = 0;
    const std::string_view bytes = TakeBytes(sizeof number);
    std::memcpy(&number, bytes.data(), bytes.size());
    return number;
  }
  /// At most so many.
  std::string_view TakeBytes(size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  /// A length byte, then as many bytes.
  std::string_view TakeText() { return TakeBytes(Take<uint8_t>()); }
  std::string_view TakeRest() { return TakeBytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace locus
