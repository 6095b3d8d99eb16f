// What the frames of lane.h say, taken apart: the one place where their lengths are believed or not. Readers
// look at nothing but the payload, so that they can be fed anything; what they hand out lies in the payload,
// and so in shared memory perhaps: what is used after it was checked is copied first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codes.h"
#include "lane.h"

namespace locus {

struct OutcomeFrame {
  OutcomeHeader header;
  std::string_view result, message, stack;
};
/// False unless lengths, bounds and code are right.
bool ReadOutcome(std::string_view payload, OutcomeFrame* outcome);
/// With the lengths that its texts have.
std::string WriteOutcome(OutcomeFrame outcome);

struct InvokeFrame {
  InvokeHeader header;
  std::vector<std::string_view> keys;
  std::string_view args;
  std::string_view known;
};
/// False unless lengths and counts are right.
bool ReadInvoke(std::string_view payload, InvokeFrame* invoke);
/// With the counts and lengths that its texts have.
std::string WriteInvoke(InvokeFrame invoke);

struct OpenFrame {
  uint32_t lane = 0;
  uint32_t memory_mb = 0;
  std::string_view version, bundle;
};
bool ReadOpen(std::string_view payload, OpenFrame* open);
std::string WriteOpen(const OpenFrame& open);

struct DescriptorMessage {
  uint32_t connection = 0;
  uint32_t database = 0;
  std::string_view server_name, authorities, username, password;
};
bool ReadDescriptorMessage(std::string_view bytes, DescriptorMessage* message);
std::string WriteDescriptorMessage(const DescriptorMessage& message);

/// Of a round or of replies: the header is taken off the payload. False when it is torn.
bool TakeRoundHeader(std::string_view* payload, RoundHeader* header);

}  // namespace locus
