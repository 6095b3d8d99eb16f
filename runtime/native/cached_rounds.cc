#include "cached_rounds.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lane.h"
#include "resp.h"

namespace locus {

namespace {

/// `*2\r\n$3\r\nget\r\n$`, in whatever case: what precedes the key's length in a GET.
constexpr size_t kGetBytes = 14;
/// Replies that wait to be handed over, of one round and of all of the isolate: as much as a reply ring has, and
/// as would wait there for four isolates. What is beyond goes to Redis.
constexpr size_t kFoundBytesMax = kReplyRingBytes;
constexpr size_t kWaitingBytesMax = 4 * kReplyRingBytes;
/// Look-ups for one round: a fraction of a millisecond, which no turn is charged for.
constexpr uint32_t kLookUpsMax = 4096;
/// What is kept of what is used again.
constexpr size_t kSpareMax = 16;
constexpr size_t kKeepBytes = 2 * kFoundBytesMax;
constexpr size_t kKeepOperations = kLookUpsMax;

/// The GET that the commands begin with, which is taken off them, and its key. They are as guest_operations.cc
/// wrote them.
std::string_view TakeGet(std::string_view* commands, std::string_view* key) {
  size_t bytes = 0;
  const char* const begin = commands->data();
  const char* const digits = begin + kGetBytes;
  const char* const text = std::from_chars(digits, begin + commands->size(), bytes).ptr + 2;
  *key = {text, bytes};
  const std::string_view command(begin, static_cast<size_t>(text - begin) + bytes + 2);
  commands->remove_prefix(command.size());
  return command;
}

}  // namespace

CachedRounds::LookedUp CachedRounds::Begin(const Round& round) {
  LookedUp looked_up;
  if (!spare_.empty()) {
    looked_up = std::move(spare_.back());
    spare_.pop_back();
  }
  looked_up.invocation = round.invocation;
  looked_up.round = round.number;
  looked_up.lengths.clear();
  looked_up.replies.clear();
  looked_up.next = 0;
  looked_up.next_byte = 0;
  return looked_up;
}

void CachedRounds::Wait(LookedUp&& looked_up, std::vector<LookedUp>* among) {
  waiting_bytes_ += looked_up.replies.size();
  among->push_back(std::move(looked_up));
}

void CachedRounds::End(LookedUp&& looked_up) {
  if (spare_.size() < kSpareMax && looked_up.replies.capacity() <= kKeepBytes &&
      looked_up.lengths.capacity() <= kKeepOperations)
    spare_.push_back(std::move(looked_up));
}

CachedRounds::Missing CachedRounds::LookUp(const Round& round) {
  LookedUp looked_up = Begin(round);
  const int64_t now = NowNs();
  uint32_t missing = 0;
  missing_.clear();
  if (missing_.capacity() > kKeepBytes) missing_.shrink_to_fit();
  for (std::string_view commands = round.commands; !commands.empty();) {
    std::string_view key;
    const std::string_view command = TakeGet(&commands, &key);
    const size_t before = looked_up.replies.size();
    const bool may = looked_up.lengths.size() < kLookUpsMax && before < kFoundBytesMax &&
                     waiting_bytes_ + before < kWaitingBytesMax;
    if (!may || !cache_->Find(round.reader, key, now, &looked_up.replies)) {
      missing_.append(command);
      missing++;
    }
    looked_up.lengths.push_back(static_cast<uint32_t>(looked_up.replies.size() - before));
  }
  if (missing == 0) {
    Wait(std::move(looked_up), &whole_);
  } else if (missing < round.operations) {
    Wait(std::move(looked_up), &partly_);
  } else {
    End(std::move(looked_up));
  }
  return {missing, missing_};
}

bool CachedRounds::HandOverWhole(const OnReplies& on_replies) {
  if (whole_.empty()) return false;
  handing_over_.swap(whole_);
  for (LookedUp& waiting : handing_over_) {
    LookedUp whole = std::move(waiting);
    waiting_bytes_ -= whole.replies.size();
    const auto operations = static_cast<uint32_t>(whole.lengths.size());
    on_replies({whole.invocation, whole.round, operations, whole.replies, Code::kOk, {}});
    End(std::move(whole));
  }
  handing_over_.clear();
  return true;
}

/// What was found before the next that has to come, put behind what is together already. How many.
uint32_t CachedRounds::TakeFound(LookedUp& looked_up) {
  const size_t from = looked_up.next;
  size_t bytes = 0;
  while (looked_up.next < looked_up.lengths.size() && looked_up.lengths[looked_up.next] != 0)
    bytes += looked_up.lengths[looked_up.next++];
  together_.append(looked_up.replies, looked_up.next_byte, bytes);
  looked_up.next_byte += bytes;
  return static_cast<uint32_t>(looked_up.next - from);
}

void CachedRounds::HandOver(const Replies& replies, const OnReplies& on_replies) {
  const auto found = std::ranges::find_if(partly_, [&](const LookedUp& other) {
    return other.invocation == replies.invocation && other.round == replies.round;
  });
  if (found == partly_.end()) return on_replies(replies);
  together_.clear();
  if (together_.capacity() > kKeepBytes) together_.shrink_to_fit();
  uint32_t count = TakeFound(*found);
  RespScanner scanner(kRepliesBytesMax);
  std::string_view rest = replies.bytes;
  for (uint32_t i = 0; i < replies.count; i++) {
    const size_t end = scanner.Next(rest).end;
    together_.append(rest.substr(0, end));
    rest.remove_prefix(std::min(end, rest.size()));
    found->next++;
    count += 1 + TakeFound(*found);
  }
  Replies all = replies;
  all.count = count;
  all.bytes = together_;
  if (found->next >= found->lengths.size()) {
    waiting_bytes_ -= found->replies.size();
    End(std::move(*found));
    partly_.erase(found);
  }
  on_replies(all);
}

void CachedRounds::Forget(uint64_t invocation) {
  std::erase_if(partly_, [&](const LookedUp& other) {
    if (other.invocation != invocation) return false;
    waiting_bytes_ -= other.replies.size();
    return true;
  });
}

}  // namespace locus
