// What a node gives for a call: a usage, and a result or an error.
#include "given_outcome.h"
#include "json_text.h"
#include "lane.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Input input(data, size);
  const bool is_error = input.Take<uint8_t>() % 2 != 0;
  const std::string_view usage = input.TakeBytes(input.Take<uint16_t>());
  const std::string_view text = input.TakeRest();
  Outcome outcome;
  const Failure failure =
      is_error ? ReadGivenError(usage, text, &outcome) : ReadGivenResult(usage, text, &outcome);
  EXPECT(failure.message.size() < 1024);
  if (failure) return 0;
  EXPECT((outcome.code != Code::kOk) == is_error && outcome.code < Code::kCount);
  EXPECT(is_error || (IsUtf8(outcome.result) && outcome.result.find('\n') == outcome.result.npos));
  EXPECT(outcome.message.size() <= kErrorTextBytesMax && outcome.stack.size() <= kErrorTextBytesMax);
  const Usage& used = outcome.usage;
  EXPECT(used.wall_ns >= 0 && used.queue_ns >= 0 && used.start_ns >= 0 && used.lock_ns >= 0);
  EXPECT(used.isolate.cpu_ns <= 1'000'000'000'000'000 && used.isolate.operations < uint64_t{1} << 53);
  return 0;
}
