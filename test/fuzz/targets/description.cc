// A function's description as a sandbox host or a primary hands it over, with the bundle that it is of: none.
#include "function_description.h"
#include "registry.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  Deployment deployment;
  const std::string json(reinterpret_cast<const char*>(data), size);
  const Failure failure = Registry::Prepare("", json, &deployment);
  EXPECT(failure.message.size() < 1024);
  if (failure) return 0;
  const FunctionImage& image = *deployment.image;
  EXPECT(IsFunctionName(image.name) && deployment.description == json);
  EXPECT(image.limits.deadline_ms >= 1 && image.limits.deadline_ms <= 300'000);
  EXPECT(image.limits.memory_mb >= 8 && image.limits.memory_mb <= 1'024);
  EXPECT(image.limits.concurrency >= 1 && image.limits.concurrency <= kConcurrencyMax);
  return 0;
}
