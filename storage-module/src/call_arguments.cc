#include "call_arguments.h"

#include <strings.h>

#include <charconv>
#include <optional>

#include "json_text.h"
#include "lane.h"

namespace locus {

namespace {

/// What an invocation may carry: keys and args together (runtime/function/description.ts: ARGS_BYTES_MAX).
/// Each key counts with its length word, so that many empty keys have a bound too.
Failure CheckBytes(const CallArguments& call) {
  size_t bytes = call.args.size();
  for (const std::string& key : call.keys) bytes += sizeof(uint32_t) + key.size();
  if (bytes <= kArgsBytesMax) return {};
  return {Code::ARGS_TOO_LARGE, "keys and args together have " + std::to_string(bytes) + " bytes, may have " +
                                    std::to_string(kArgsBytesMax)};
}

Failure NotUtf8(std::string_view what, std::string_view value) {
  return {Code::ARGS_INVALID, std::string(what) + " " + Shown(value) + " is not UTF-8"};
}

std::optional<size_t> ReadCount(std::string_view text) {
  size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return count;
}

}  // namespace

bool AnsweredKeyPositions(RedisModuleCtx* context, RedisModuleString** argv, int argc, int numkeys_at) {
  if (redis::IsKeysPositionRequest(context) == 0) return false;
  const int first = numkeys_at + 1;
  const size_t count = numkeys_at < argc ? ReadCount(TextOf(argv[numkeys_at])).value_or(0) : 0;
  for (int at = first; at < argc && static_cast<size_t>(at - first) < count; at++)
    redis::KeyAtPos(context, at);
  return true;
}

Failure ReadNumber(const char* name, std::string_view text, int64_t min, int64_t max, int64_t* number) {
  const std::optional<size_t> read = ReadCount(text);
  if (!read || *read > static_cast<size_t>(max) || static_cast<int64_t>(*read) < min)
    return {Code::REQUEST_INVALID, std::string(name) + " is " + Shown(text) +
                                       ", must be a whole number from " + std::to_string(min) + " to " +
                                       std::to_string(max)};
  *number = static_cast<int64_t>(*read);
  return {};
}

bool IsWord(std::string_view argument, std::string_view word) {
  return argument.size() == word.size() && strncasecmp(argument.data(), word.data(), word.size()) == 0;
}

Failure TakeKeys(Arguments* argv, CallArguments* call) {
  const std::string_view text = TextOf(argv->front());
  const std::optional<size_t> read = ReadCount(text);
  if (!read) return {Code::REQUEST_INVALID, "numkeys is " + Shown(text) + ", must be a whole number from 0"};
  const size_t count = *read;
  const Arguments rest = argv->subspan(1);
  if (count > rest.size())
    return {Code::REQUEST_INVALID, "numkeys is " + std::to_string(count) + ", but only " +
                                       std::to_string(rest.size()) + " arguments follow it"};
  for (RedisModuleString* key : rest.first(count)) {
    const std::string_view bytes = TextOf(key);
    // A function sees its keys as strings: other bytes would silently become another key.
    if (!IsUtf8(bytes)) return NotUtf8("the key", bytes);
    call->keys.emplace_back(bytes);
  }
  *argv = rest.subspan(count);
  return CheckBytes(*call);
}

Failure ReadArgs(Arguments argv, CallArguments* call) {
  for (RedisModuleString* argument : argv) {
    if (!IsUtf8(TextOf(argument))) return NotUtf8("the argument", TextOf(argument));
  }
  if (argv.size() == 1) {
    call->args = TextOf(argv.front());
  } else if (argv.size() > 1) {
    call->args = "[";
    for (RedisModuleString* argument : argv) {
      if (call->args.size() > 1) call->args.push_back(',');
      AppendJsonString(&call->args, TextOf(argument));
    }
    call->args.push_back(']');
  }
  return CheckBytes(*call);
}

}  // namespace locus
