// The registry off an RDB, which can come from anywhere. What is loaded is saved as it was, and loads again.
#include "redis_strings.h"
#include "registry_rdb.h"
#include "target.h"

/// Redis' own is opaque. Numbers and strings lie one after the other.
struct RedisModuleIO {
  std::string bytes;
  size_t at = 0;
  bool failed = false;

  template <typename Number>
  Number Take() {
    Number number = 0;
    if (bytes.size() - at < sizeof number) {
      failed = true;
      return 0;
    }
    std::memcpy(&number, bytes.data() + at, sizeof number);
    at += sizeof number;
    return number;
  }
  template <typename Number>
  void Put(Number number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
};

namespace locus {
namespace {

void LogNothing(RedisModuleIO*, const char*, const char*, ...) {}

void ServeRdb() {
  ServeStrings();
  redis::LoadUnsigned = [](RedisModuleIO* io) -> uint64_t { return io->Take<uint8_t>(); };
  redis::SaveUnsigned = [](RedisModuleIO* io, uint64_t number) { io->Put(static_cast<uint8_t>(number)); };
  redis::LoadString = [](RedisModuleIO* io) -> RedisModuleString* {
    const size_t announced = io->Take<uint16_t>();
    const size_t bytes = std::min(announced, io->bytes.size() - io->at);
    if (io->failed) return nullptr;
    strings_held++;
    io->at += bytes;
    return new RedisModuleString{io->bytes.substr(io->at - bytes, bytes)};
  };
  redis::SaveStringBuffer = [](RedisModuleIO* io, const char* text, size_t bytes) {
    io->Put(static_cast<uint16_t>(bytes));
    io->bytes.append(text, bytes);
  };
  redis::IsIOError = [](RedisModuleIO* io) { return io->failed ? 1 : 0; };
  redis::LogIOError = LogNothing;
}

}  // namespace
}  // namespace locus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  ServeRdb();
  RedisModuleIO io{std::string(reinterpret_cast<const char*>(data), size)};
  Registry::Functions functions;
  const bool sound = LoadFunctions(&io, &functions);
  EXPECT(strings_held == 0);
  if (!sound) return 0;
  for (const auto& [name, versions] : functions) {
    EXPECT(!versions.empty() && versions.size() <= kVersionsKept);
    for (const Deployment& deployment : versions) EXPECT(deployment.image->name == name);
  }
  RedisModuleIO saved;
  SaveFunctions(&saved, functions);
  Registry::Functions again;
  EXPECT(LoadFunctions(&saved, &again) && again.size() == functions.size());
  return 0;
}
