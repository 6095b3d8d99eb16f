// A round of operations as a sandbox host puts it on the ring.
#include "operation_round.h"
#include "resp.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  const std::string payload(reinterpret_cast<const char*>(data), size);
  OperationRound round;
  if (!round.Read(1, {0, 1}, payload)) return 0;
  // One that is read is the one that would be written, byte for byte.
  std::string again = payload.substr(0, sizeof(RoundHeader));
  uint32_t count = 0;
  size_t held = 0;
  for (; !round.finished(); round.Advance()) {
    const auto words = round.words(round.next());
    count++;
    AppendArrayHeader(&again, words.size());
    for (const std::string_view word : words) AppendBulk(&again, word);
    EXPECT((round.next().rule == nullptr) == CheckOperation(words).has_value());
    if (round.next().rule == nullptr) EXPECT(!round.refusal(round.next()).empty());
    held += sizeof(Operation) + words.size() * sizeof(std::string_view);
  }
  EXPECT(again == payload);
  EXPECT(count <= kRoundOperationsMax && round.bytes() >= held);
  return 0;
}
