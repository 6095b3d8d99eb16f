// A read set, as it comes from another host over two machines: what is taken for one answers each of its
// commands as often as it has them, in their order.
#include "read_set.h"
#include "resp.h"
#include "target.h"

namespace {

/// The next of the messages that `*from` begins with.
std::string_view TakeMessage(locus::RespScanner* scanner, std::string_view* from) {
  const std::string_view message = from->substr(0, scanner->Next(*from).end);
  from->remove_prefix(message.size());
  return message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  KnownReads known;
  if (!known.Read(bytes)) {
    EXPECT(known.empty() && !known.Take("*1\r\n$4\r\nPING\r\n"));
    return 0;
  }
  ReadSetHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::string_view commands = bytes.substr(sizeof header, header.commands_bytes);
  std::string_view replies = bytes.substr(sizeof header + commands.size());
  RespScanner scanner(kReadSetBytesMax);
  for (uint32_t i = 0; i < header.operations; i++) {
    const std::string_view command = TakeMessage(&scanner, &commands);
    EXPECT(known.Take(command) == TakeMessage(&scanner, &replies));
  }
  EXPECT(known.empty());
  return 0;
}
