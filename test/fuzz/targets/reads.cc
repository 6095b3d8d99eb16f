// A read set, as it comes from another host over two machines: what is taken for one answers each of its
// commands as often as it has them, in their order; and what is kept is one.
#include "read_set.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locus;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  KnownReads known;
  if (!known.Read(bytes)) {
    EXPECT(known.empty() && !known.Take("*1\r\n$4\r\nPING\r\n"));
  } else {
    ReadSet again;
    for (std::string_view rest = bytes; !rest.empty();) {
      ReadRoundHeader header;
      std::memcpy(&header, rest.data(), sizeof header);
      rest.remove_prefix(sizeof header);
      again.Add(header.operations, rest.substr(0, header.commands_bytes),
                rest.substr(header.commands_bytes, header.replies_bytes));
      rest.remove_prefix(size_t{header.commands_bytes} + header.replies_bytes);
    }
    EXPECT(again.bytes() == bytes);
  }
  return 0;
}
