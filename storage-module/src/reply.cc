#include "reply.h"

#include <openssl/evp.h>

namespace locus {

namespace {

/// Bytes of a value that a message shows.
constexpr size_t kShownBytesMax = 64;

bool IsContinuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

std::string_view Cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && IsContinuation(text[end])) end--;
  return text.substr(0, end);
}

}  // namespace

std::string OneLine(std::string_view message, size_t bytes_max) {
  std::string line(Cut(message, bytes_max));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

std::string Base64(std::string_view bytes) {
  // It writes a NUL behind what it makes.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

int ReplyFailure(RedisModuleCtx* context, const Failure& failure) {
  const std::string line = std::string(CodeRedisPrefix(failure.code)) + " " + OneLine(failure.message);
  return redis::ReplyWithError(context, line.c_str());
}

int ReplyText(RedisModuleCtx* context, std::string_view text) {
  return redis::ReplyWithStringBuffer(context, text.data(), text.size());
}

std::string_view TextOf(const RedisModuleString* argument) {
  size_t bytes = 0;
  const char* text = redis::StringPtrLen(argument, &bytes);
  return {text, bytes};
}

std::string Shown(std::string_view value) {
  const bool cut = value.size() > kShownBytesMax;
  return "\"" + OneLine(Cut(value, kShownBytesMax)) + (cut ? "…\"" : "\"");
}

}  // namespace locus
