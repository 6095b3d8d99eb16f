// Where replies end in a stream, however it is cut; what passes the limit is followed to its end and not
// kept.
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "resp.h"
#include "tests.h"

using namespace locus;

namespace {

struct Reply {
  std::string bytes;
  bool push = false;
};

/// Feeds the stream in pieces of `step` bytes, keeps what the scanner asks for, and compares.
void Scan(const std::vector<Reply>& replies, size_t step, size_t limit) {
  std::string stream;
  for (const Reply& reply : replies) stream += reply.bytes;
  RespScanner scanner(limit);
  std::string buffer;
  size_t fed = 0, reply = 0, taken = 0, kept_max = 0;
  while (reply < replies.size()) {
    const RespScanner::Found found = scanner.Next(buffer);
    EXPECT(found.state != RespRead::kBroken);
    if (found.state == RespRead::kBroken) return;
    buffer.erase(0, found.end);
    taken += found.end;
    if (found.state == RespRead::kOk) {
      const Reply& expected = replies[reply++];
      EXPECT(taken == expected.bytes.size());
      EXPECT(found.push == expected.push);
      EXPECT(found.too_large == (expected.bytes.size() > limit));
      taken = 0;
      continue;
    }
    EXPECT(found.end == 0 || found.too_large);
    kept_max = std::max(kept_max, buffer.size());
    EXPECT(fed < stream.size());
    if (fed >= stream.size()) return;
    buffer.append(stream, fed, step);
    fed += step;
  }
  EXPECT(buffer.empty());
  EXPECT(kept_max <= limit + step + 16);
}

bool Breaks(const std::string& bytes) {
  RespScanner scanner(100);
  return scanner.Next(bytes).state == RespRead::kBroken;
}

}  // namespace

void TestRespScanner() {
  const std::string large(500, 'x');
  const auto bulk = [](const std::string& text) {
    std::string bytes;
    AppendBulk(&bytes, text);
    return bytes;
  };
  const std::vector<Reply> replies = {
      {"+OK\r\n"},
      {bulk(large)},
      {":1\r\n"},
      {"*3\r\n" + bulk("a") + "*2\r\n" + bulk(large) + "_\r\n" + bulk("b")},
      {">2\r\n" + bulk("news") + bulk(large), true},
      {"%1\r\n" + bulk("k") + "~2\r\n:1\r\n#t\r\n"},
      {"*40\r\n" +
       [] {
         std::string many;
         for (int i = 0; i < 40; i++) many += "*1\r\n$3\r\nabc\r\n";
         return many;
       }()},
      {"|1\r\n+ttl\r\n" + bulk(large) + bulk("behind an attribute")},
      {"*-1\r\n"},
      {"$0\r\n\r\n"},
      {"-ERR no\r\n"},
  };
  for (const size_t limit : {size_t{64}, size_t{10'000}}) {
    for (size_t step = 1; step < 70; step++) Scan(replies, step, limit);
    Scan(replies, 100'000, limit);
  }
  EXPECT(Breaks("?\r\n"));
  EXPECT(Breaks("$3\r\nabcd\r\n"));
  EXPECT(Breaks("$9999999999999999\r\n"));
  EXPECT(Breaks("+" + std::string(kRespLineBytesMax + 1, 'x')));
  std::string deep;
  for (size_t i = 0; i <= kRespDepthMax; i++) deep += "*1\r\n";
  EXPECT(Breaks(deep));
}
