#include "read_set.h"

#include <algorithm>
#include <cstring>

#include "resp.h"

namespace locus {

namespace {

/// The next of the messages that `*from` begins with. False where it is torn, or no message of a round.
bool TakeMessage(RespScanner* scanner, std::string_view* from, std::string_view* message) {
  const RespScanner::Found found = scanner->Next(*from);
  if (found.state != RespRead::kOk || found.push || found.too_large) return false;
  *message = from->substr(0, found.end);
  from->remove_prefix(found.end);
  return true;
}

}  // namespace

bool KnownReads::Read(std::string_view read_set) {
  Forget();
  if (read_set.size() > kReadSetBytesMax) return false;
  bytes_.assign(read_set.begin(), read_set.end());
  if (!ReadReplies()) {
    Forget();
    return false;
  }
  for (auto& [command, replies] : replies_) std::ranges::reverse(replies);
  return true;
}

bool KnownReads::ReadReplies() {
  ReadSetHeader header;
  if (bytes_.size() < sizeof header) return false;
  std::memcpy(&header, bytes_.data(), sizeof header);
  const std::string_view rest = std::string_view(bytes_.data(), bytes_.size()).substr(sizeof header);
  if (rest.size() != uint64_t{header.commands_bytes} + header.replies_bytes) return false;
  std::string_view commands = rest.substr(0, header.commands_bytes);
  std::string_view replies = rest.substr(header.commands_bytes);
  RespScanner commands_scanner(kReadSetBytesMax);
  RespScanner replies_scanner(kReadSetBytesMax);
  for (uint32_t i = 0; i < header.operations; i++) {
    std::string_view command, reply;
    if (!TakeMessage(&commands_scanner, &commands, &command) ||
        !TakeMessage(&replies_scanner, &replies, &reply))
      return false;
    replies_[command].push_back(reply);
  }
  return commands.empty() && replies.empty();
}

std::optional<std::string_view> KnownReads::Take(std::string_view command) {
  const auto found = replies_.find(command);
  if (found == replies_.end()) return std::nullopt;
  const std::string_view reply = found->second.back();
  found->second.pop_back();
  if (found->second.empty()) replies_.erase(found);
  return reply;
}

void KnownReads::Forget() {
  replies_.clear();
  bytes_ = {};
}

}  // namespace locus
