#include "operation_runner.h"

#include <cerrno>
#include <utility>

#include "reply.h"
#include "server_config.h"

namespace locus {

namespace {

/// `M` refuse when out of memory, `!` replicate, `S` refuse what scripts may not do and writes on a replica,
/// `C` as the context's user, `E` errors as replies, `3` RESP3.
#define LOCUS_CALL_FLAGS "M!SCE3"

/// How far functions may write beyond `maxmemory` where Redis may evict keys: it does so when the next
/// command of a client comes in, and not while a function runs. Chosen, not measured; a script has no such
/// bound.
constexpr float kOvershootRatioMax = 1 + 1.0f / 16;

/// What happens to a command that needs memory when there is none left.
enum class OnShortage { kRefuse, kRun };

/// The format without its `M`, where the command is to run all the same.
const char* FormatFor(const char* format, OnShortage on_shortage) {
  return on_shortage == OnShortage::kRefuse ? format : format + 1;
}

/// The I-th of the words that a call with `b` (buffer and length) arguments is made of; what is beyond the
/// command's arguments is passed and never read.
template <size_t I>
auto Word(std::span<const std::string_view> arguments) {
  const std::string_view argument = I / 2 < arguments.size() ? arguments[I / 2] : std::string_view();
  if constexpr (I % 2 == 0) {
    return argument.data();
  } else {
    return argument.size();
  }
}

/// A variadic call whose number of arguments is known only now: the format says how many of `kArguments`
/// count. Arguments go as buffers, of which Redis makes strings of its own: one that is shared with us it
/// would store as it is, and not as the integer that it may be.
template <size_t kArguments, size_t... I>
RedisModuleCallReply* CallWithBuffers(RedisModuleCtx* context, const char* name,
                                      std::span<const std::string_view> arguments, OnShortage on_shortage,
                                      std::index_sequence<I...>) {
  static constexpr auto kFormat = [] {
    std::array<char, sizeof LOCUS_CALL_FLAGS + kArguments> format{};
    std::ranges::copy(std::string_view(LOCUS_CALL_FLAGS), format.begin());
    std::fill_n(format.begin() + sizeof LOCUS_CALL_FLAGS - 1, kArguments, 'b');
    return format;
  }();
  auto format = kFormat;
  format[sizeof LOCUS_CALL_FLAGS - 1 + arguments.size()] = '\0';
  return redis::Call(context, name, FormatFor(format.data(), on_shortage), Word<I>(arguments)...);
}

template <size_t kArguments>
RedisModuleCallReply* CallWithBuffers(RedisModuleCtx* context, const char* name,
                                      std::span<const std::string_view> arguments, OnShortage on_shortage) {
  return CallWithBuffers<kArguments>(context, name, arguments, on_shortage,
                                     std::make_index_sequence<2 * kArguments>());
}

/// For commands longer than any that a string's encoding depends on, MSET of more than 32 keys excepted.
RedisModuleCallReply* CallWithStrings(RedisModuleCtx* context, const char* name,
                                      std::span<const std::string_view> arguments, OnShortage on_shortage) {
  std::vector<RedisModuleString*> strings;
  strings.reserve(arguments.size());
  for (const std::string_view argument : arguments)
    strings.push_back(redis::CreateString(nullptr, argument.data(), argument.size()));
  RedisModuleCallReply* reply = redis::Call(context, name, FormatFor(LOCUS_CALL_FLAGS "v", on_shortage),
                                            strings.data(), strings.size());
  for (RedisModuleString* string : strings) redis::FreeString(nullptr, string);
  return reply;
}

RedisModuleCallReply* CallCommand(RedisModuleCtx* context, const char* name,
                                  std::span<const std::string_view> arguments, OnShortage on_shortage) {
  if (arguments.size() <= 2) return CallWithBuffers<2>(context, name, arguments, on_shortage);
  if (arguments.size() <= 8) return CallWithBuffers<8>(context, name, arguments, on_shortage);
  if (arguments.size() <= 64) return CallWithBuffers<64>(context, name, arguments, on_shortage);
  return CallWithStrings(context, name, arguments, on_shortage);
}

/// Whether Redis makes room when the next command comes in, and there is not too much to make already.
bool MayOvershoot(RedisModuleCtx* context) {
  if (redis::GetUsedMemoryRatio() >= kOvershootRatioMax) return false;
  // Empty where CONFIG was renamed away: then it may be any.
  const std::string policy = ReadServerConfig(context, "maxmemory-policy");
  return !policy.empty() && policy != "noeviction";
}

std::string DisplayName(const CommandRule& rule) {
  return std::string(rule.name);
}

/// What Redis 7.0 says to a module in words of its own, as it says it to a client: a function sees the same
/// error on both sides.
bool AppendClientsDenial(const CommandRule& rule, std::string_view text, std::string* replies) {
  if (!text.starts_with("-ERR acl verification failed")) return false;
  std::string message = "this user has no permissions to ";
  if (text.find("keys") != text.npos) {
    message += "access one of the keys used as arguments";
  } else if (text.find("channel") != text.npos) {
    message += "access one of the channels used as arguments";
  } else {
    message += "run the '" + DisplayName(rule) + "' command";
  }
  AppendErrorReply(replies, Code::PERMISSION_DENIED, message);
  return true;
}

}  // namespace

void AppendErrorReply(std::string* replies, Code code, std::string_view message) {
  replies->append("-").append(CodeRedisPrefix(code)).append(" ").append(OneLine(message)).append("\r\n");
}

OperationRunner::OperationRunner(RedisModuleCtx* context, CachedReads* reads)
    : context_(redis::GetDetachedThreadSafeContext(context)), reads_(reads) {}

Caller::~Caller() {
  redis::FreeString(nullptr, user_);
}

void OperationRunner::Become(const Caller& caller, int64_t now) {
  now_ns_ = now;
  if (caller_ == &caller) return;
  if (caller_ == nullptr || TextOf(caller_->user()) != TextOf(caller.user())) {
    Leave();
    user_ = redis::GetModuleUserFromUserName(caller.user());
    redis::SetContextUser(context_, user_);
  }
  if (db_ != caller.db()) {
    redis::SelectDb(context_, caller.db());
    db_ = caller.db();
  }
  caller_ = &caller;
}

void OperationRunner::Leave() {
  redis::SetContextUser(context_, nullptr);
  if (user_ != nullptr) redis::FreeModuleUser(user_);
  user_ = nullptr;
  caller_ = nullptr;
}

bool OperationRunner::Run(const CommandRule& rule, std::span<const std::string_view> words,
                          std::string* replies) {
  if (user_ == nullptr) {
    AppendErrorReply(
        replies, Code::PERMISSION_DENIED,
        "the user " + Shown(TextOf(caller_->user())) + ", for whom this function runs, is no more");
    return false;
  }
  if (words.size() != 2 || rule.name != "get") {
    const bool has_run = RunCommand(rule, words, replies);
    // One that overflows and fails may have made the value longer, and Redis 7.0 says nothing.
    if (rule.name == "bitfield") reads_->Forget(words[1]);
    return has_run;
  }
  const size_t before = replies->size();
  const bool wanted = reads_->Wants(caller_->reader(), words[1], now_ns_);
  std::optional<bool> lasts;
  bool has_run = false;
  if (!get_shortcut_.Run(context_, user_, words[1], replies, &lasts)) {
    has_run = RunCommand(rule, words, replies);
    get_shortcut_.Learn(std::string_view(*replies).substr(before));
  }
  if (wanted)
    reads_->Keep(context_, caller_->reader(), words[1], std::string_view(*replies).substr(before), lasts,
                 now_ns_);
  return has_run;
}

bool OperationRunner::RunCommand(const CommandRule& rule, std::span<const std::string_view> words,
                                 std::string* replies) {
  // A container's row is named container|subcommand; its subcommand is an argument. Other names are literals,
  // which end with a NUL byte.
  const std::string container(rule.name.substr(0, rule.container_bytes));
  const char* name = container.empty() ? rule.name.data() : container.c_str();
  errno = 0;
  RedisModuleCallReply* reply = CallCommand(context_, name, words.subspan(1), OnShortage::kRefuse);
  int error = errno;
  if (error == ENOSPC && reply != nullptr && MayOvershoot(context_)) {
    redis::FreeCallReply(reply);
    errno = 0;
    reply = CallCommand(context_, name, words.subspan(1), OnShortage::kRun);
    error = errno;
  }
  if (reply == nullptr) {
    AppendErrorReply(replies, Code::INTERNAL,
                     std::string("Redis took no call of ") + name + ": " + std::to_string(error));
    return false;
  }
  size_t bytes = 0;
  const char* proto = redis::CallReplyProto(reply, &bytes);
  const std::string_view text(proto, bytes);
  if (error != EACCES || !AppendClientsDenial(rule, text, replies)) replies->append(text);
  redis::FreeCallReply(reply);
  return error == 0;
}

}  // namespace locus
