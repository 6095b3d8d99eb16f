#include "json_text.h"

#include <string>

#include "tests.h"

using namespace std::string_view_literals;

namespace {

std::string Quoted(std::string_view text) {
  std::string json;
  locus::AppendJsonString(&json, text);
  return json;
}

void Utf8IsWhatRfc3629Says() {
  for (const std::string_view good :
       {""sv, "plain"sv, "a\0b"sv, "\u00e9\u20ac\U0001f600"sv, "\xf4\x8f\xbf\xbf"sv, "12345678\xc3\xa9"sv})
    EXPECT(locus::IsUtf8(good));
  for (const std::string_view bad : {
           "\x80"sv,              // a continuation by itself
           "\xc3"sv,              // torn
           "\xc0\xaf"sv,          // overlong
           "\xe0\x9f\xbf"sv,      // overlong
           "\xf0\x8f\xbf\xbf"sv,  // overlong
           "\xed\xa0\x80"sv,      // a surrogate
           "\xf4\x90\x80\x80"sv,  // past U+10FFFF
           "\xff"sv,
           "12345678\xff"sv,
       })
    EXPECT(!locus::IsUtf8(bad));
}

void StringsAreEscaped() {
  EXPECT(Quoted("a\"b\\c") == R"("a\"b\\c")");
  EXPECT(Quoted("\n\x01"sv) == R"("\u000a\u0001")");
  EXPECT(Quoted("\u00e9\U0001f600") == "\"\u00e9\U0001f600\"");
  EXPECT(Quoted("a\xff\xc3z"sv) == "\"a\ufffd\ufffdz\"");
}

void ObjectsAreBuiltMemberByMember() {
  std::string json = "{";
  locus::AppendJsonNumber(&json, "n", 7);
  locus::AppendJsonUs(&json, "t", 1'234'567);
  json += "}";
  EXPECT(json == R"({"n":7,"t":1234.567})");
  std::string times;
  for (const int64_t ns : {int64_t{0}, int64_t{7}, int64_t{1'050}, int64_t{-40}, INT64_MIN, INT64_MAX})
    locus::AppendJsonUs(&times, "", ns);
  EXPECT(times == R"("":0.000,"":0.007,"":1.050,"":-0.040,"":-9223372036854775.808,"":9223372036854775.807)");
  EXPECT(locus::JsonStrings({}) == "[]");
  EXPECT(locus::JsonStrings({"a", "b\""}) == R"(["a","b\""])");
}

}  // namespace

void TestJsonText() {
  Utf8IsWhatRfc3629Says();
  StringsAreEscaped();
  ObjectsAreBuiltMemberByMember();
}
