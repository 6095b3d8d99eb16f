#include "operation_round.h"

#include <string>

#include "resp.h"
#include "tests.h"

using namespace std::string_view_literals;

namespace {

std::string Payload(uint32_t count, std::string_view commands) {
  const locus::RoundHeader header = {7, count};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + std::string(commands);
}

bool Reads(uint32_t count, std::string_view commands) {
  locus::OperationRound round;
  return round.Read(1, {0, 1}, Payload(count, commands));
}

void ARoundIsReadWordByWord() {
  locus::OperationRound round;
  EXPECT(round.Read(42, {0, 3}, Payload(2, "*2\r\n$3\r\nGET\r\n$3\r\na\0b\r\n*1\r\n$6\r\nDBSIZE\r\n"sv)));
  EXPECT(round.invocation() == 42 && round.number() == 7 && round.place().lane == 3);
  EXPECT(round.words(round.next()).size() == 2);
  EXPECT(round.words(round.next())[1] == "a\0b"sv);
  EXPECT(round.next().rule != nullptr && round.next().rule->name == "get");
  round.Advance();
  EXPECT(round.words(round.next())[0] == "DBSIZE");
  EXPECT(!round.finished());
  round.Advance();
  EXPECT(round.finished());
}

void TheTableIsAskedAgain() {
  locus::OperationRound round;
  EXPECT(round.Read(1, {0, 1}, Payload(2, "*1\r\n$8\r\nFLUSHALL\r\n*2\r\n$3\r\nGET\r\n$7\r\nlocus:x\r\n"sv)));
  EXPECT(round.next().rule == nullptr);
  EXPECT(round.refusal(round.next()).starts_with("FLUSHALL"));
  round.Advance();
  EXPECT(round.next().rule == nullptr);
  EXPECT(round.refusal(round.next()).starts_with("GET locus:x"));
}

/// The service bounds what all rounds hold together by what each says.
void ARoundHoldsAFewTimesItsBytes() {
  std::string commands;
  for (uint32_t i = 0; i < locus::kRoundOperationsMax; i++) commands += "*1\r\n$0\r\n\r\n";
  locus::OperationRound round;
  EXPECT(round.Read(1, {0, 1}, Payload(locus::kRoundOperationsMax, commands)));
  EXPECT(round.bytes() >= commands.size() + locus::kRoundOperationsMax * 2 * sizeof(std::string_view));
  EXPECT(round.bytes() < 8 * commands.size());
  EXPECT(
      round.refusal(round.next()).ends_with("not a command that functions may call; see docs/commands.md"));
}

void WhatIsNoRoundIsNotRead() {
  const std::string_view get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
  EXPECT(Reads(1, get));
  EXPECT(!Reads(0, get));
  EXPECT(!Reads(2, get));
  EXPECT(!Reads(1, std::string(get) + "x"));
  EXPECT(!Reads(locus::kRoundOperationsMax + 1, get));
  for (size_t bytes = 0; bytes < get.size(); bytes++) EXPECT(!Reads(1, get.substr(0, bytes)));
  for (const std::string_view commands : {
           "*0\r\n"sv,
           "*-1\r\n"sv,
           "*+1\r\n$4\r\nPING\r\n"sv,
           "*01\r\n$4\r\nPING\r\n"sv,
           "*1\n$4\r\nPING\r\n"sv,
           "*1\r\n$-1\r\n"sv,
           "*1\r\n:4\r\n"sv,
           "*1\r\n$5\r\nPING\r\n"sv,
           "*1\r\n$3\r\nPING\r\n"sv,
           "*1\r\n$4294967296\r\nPING\r\n"sv,
           "*1\r\n$18446744073709551615\r\nPING\r\n"sv,
           "*99999999999999999999\r\n"sv,
           "*4294967295\r\n$4\r\nPING\r\n"sv,
           "$4\r\nPING\r\n"sv,
       })
    EXPECT(!Reads(1, commands));
  locus::OperationRound round;
  EXPECT(!round.Read(1, {0, 1}, "\x01\x00"sv));
  EXPECT(!round.Read(1, {0, 1}, ""));
}

/// Any bytes at all: the sanitizers say what went wrong.
void NoisyBytesDoNoHarm() {
  uint64_t state = 88172645463325252;
  const auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  };
  std::string sound;
  for (int i = 0; i < 3; i++) {
    locus::AppendArrayHeader(&sound, 3);
    locus::AppendBulk(&sound, "SET");
    locus::AppendBulk(&sound, "key");
    locus::AppendBulk(&sound, "value");
  }
  locus::OperationRound round;
  for (int i = 0; i < 20'000; i++) {
    std::string noisy = sound;
    for (uint64_t flips = next() % 4 + 1; flips > 0; flips--)
      noisy[next() % noisy.size()] = "*$\r\n0123456789-x\xff"[next() % 17];
    if (round.Read(1, {0, 1}, Payload(3, noisy))) {
      for (; !round.finished(); round.Advance()) EXPECT(!round.words(round.next()).empty());
    }
  }
}

}  // namespace

void TestOperationRound() {
  ARoundIsReadWordByWord();
  TheTableIsAskedAgain();
  ARoundHoldsAFewTimesItsBytes();
  WhatIsNoRoundIsNotRead();
  NoisyBytesDoNoHarm();
}
