// What stands after the function's name in LOCUS.CALL: number of keys, keys, args.
#include "call_arguments.h"
#include "json_text.h"
#include "lane.h"
#include "redis_strings.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  ServeStrings();
  Input input(data, size);
  std::deque<RedisModuleString> strings;
  std::vector<RedisModuleString*> argv;
  do {
    strings.push_back({std::string(input.TakeText())});
    argv.push_back(&strings.back());
  } while (!input.empty());
  Arguments rest(argv);
  CallArguments call;
  Failure failure = TakeKeys(&rest, &call);
  EXPECT(failure || call.keys.size() + rest.size() + 1 == argv.size());
  if (!failure) failure = ReadArgs(rest, &call);
  EXPECT(failure.message.size() < 1024);
  if (failure) return 0;
  for (const std::string& key : call.keys) EXPECT(IsUtf8(key));
  EXPECT(IsUtf8(call.args) && call.args.size() <= kArgsBytesMax);
  return 0;
}
