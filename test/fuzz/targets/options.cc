// The options of LOCUS.NODE RUN, as any client that may send it can make them.
#include "json_text.h"
#include "run_options.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  RunOptions options;
  const Failure failure =
      ReadRunOptions("LOCUS.NODE RUN", {reinterpret_cast<const char*>(data), size}, &options);
  EXPECT(failure.message.size() < 1024);
  if (failure) {
    EXPECT(failure.code == Code::REQUEST_INVALID && !failure.message.empty());
    return 0;
  }
  EXPECT(size <= kOptionsBytesMax);
  EXPECT(options.deadline_ms >= 0 && options.deadline_ms <= kDeadlineMsMax);
  EXPECT(options.cancel_id.size() <= kCancelIdBytesMax && IsUtf8(options.cancel_id));
  return 0;
}
