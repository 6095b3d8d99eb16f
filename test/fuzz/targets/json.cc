// Any text as a JSON string: it can be read again, and is the same text where it was UTF-8.
#include <nlohmann/json.hpp>

#include "json_text.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Json = nlohmann::json;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string json;
  locus::AppendJsonString(&json, text);
  const Json read = Json::parse(json, nullptr, false);
  EXPECT(read.is_string());
  EXPECT(locus::IsUtf8(read.get_ref<const std::string&>()));
  EXPECT((read == text) == locus::IsUtf8(text));
  // The parser knows UTF-8 as well, and refuses what is none.
  std::string plain = text;
  for (char& c : plain) {
    if (c == '"' || c == '\\' || (c >= 0 && c < 0x20)) c = 'x';
  }
  EXPECT(Json::accept("\"" + plain + "\"") == locus::IsUtf8(text));
  return 0;
}
