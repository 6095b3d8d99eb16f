#include "guest_rounds.h"

#include <string_view>

#include "lane.h"
#include "resp.h"

namespace locus {

namespace {

/// Of what was found the room is used again up to so many.
constexpr size_t kKeepFound = 256;

/// The messages of a text that has nothing else, one after the other.
class Messages {
 public:
  explicit Messages(std::string_view text) : text_(text) {}

  std::string_view Next() {
    const std::string_view message = text_.substr(0, scanner_.Next(text_).end);
    text_.remove_prefix(message.size());
    return message;
  }

 private:
  RespScanner scanner_{kReadSetBytesMax};
  std::string_view text_;
};

}  // namespace

void KeptReads::Add(const PendingRound& round) {
  size_t found_bytes = 0;
  for (const PendingOperation& operation : round.operations) found_bytes += operation.found.bytes;
  const size_t before = sizeof(ReadSetHeader) + commands_.size() + replies_.size() + found_bytes_;
  full_ |= before + round.commands.size() + round.replies.size() + found_bytes > kReadSetBytesMax;
  if (full_) return;
  // Copied: taken over, the room that this one has for its next invocation would wander off with the round.
  commands_.append(round.commands);
  replies_.append(round.replies);
  found_bytes_ += found_bytes;
  for (const PendingOperation& operation : round.operations) {
    if (operation.found.bytes > 0) found_.push_back({operations_, operation.found});
    operations_++;
  }
}

std::string KeptReads::ReadSet(const ReadCacheView* cache) const {
  if (operations_ == 0) return "";
  ReadSetHeader header = {};
  std::string commands, replies;
  Messages kept_commands(commands_);
  Messages kept_replies(replies_);
  auto found = found_.begin();
  for (; header.operations < operations_; header.operations++) {
    const std::string_view command = kept_commands.Next();
    if (found == found_.end() || found->operation != header.operations) {
      replies.append(kept_replies.Next());
    } else if (!cache->Copy((found++)->reply, &replies)) {
      break;
    }
    commands.append(command);
  }
  header.commands_bytes = static_cast<uint32_t>(commands.size());
  header.replies_bytes = static_cast<uint32_t>(replies.size());
  std::string read_set(reinterpret_cast<const char*>(&header), sizeof header);
  read_set.append(commands).append(replies);
  return read_set;
}

void KeptReads::Clear() {
  operations_ = 0;
  Empty(&commands_);
  Empty(&replies_);
  found_.clear();
  if (found_.capacity() > kKeepFound) found_.shrink_to_fit();
  found_bytes_ = 0;
  full_ = false;
}

}  // namespace locus
