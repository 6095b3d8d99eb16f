// Frames off a ring, at either end: what is read is what would be written.
#include "frames.h"

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Input input(data, size);
  const auto kind = input.Take<uint8_t>();
  const std::string payload(input.TakeRest());
  OutcomeFrame outcome;
  InvokeFrame invoke;
  OpenFrame open;
  DescriptorMessage message;
  switch (kind % 4) {
    case 0:
      if (ReadOutcome(payload, &outcome)) EXPECT(WriteOutcome(outcome) == payload);
      break;
    case 1:
      if (ReadInvoke(payload, &invoke)) EXPECT(WriteInvoke(invoke) == payload);
      break;
    case 2:
      // The last word of the header is reserved, and written as zero.
      if (ReadOpen(payload, &open)) EXPECT(WriteOpen(open).size() == payload.size());
      break;
    case 3:
      if (ReadDescriptorMessage(payload, &message)) EXPECT(WriteDescriptorMessage(message) == payload);
      break;
  }
  return 0;
}
