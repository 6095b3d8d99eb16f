// Between RESP and V8, on the isolate's thread: replies become the values of the ioredis contract
// (docs/channel.md), arguments become bytes. Everything is created in the guest's realm by operations that
// its code cannot intercept.
#pragma once

#include <v8.h>

#include <string>
#include <string_view>

#include "codes.h"
#include "command_table.h"
#include "resp.h"

namespace locus {

/// A UTF-8 string as V8's, invalid sequences replaced. Empty only when it is too long for V8.
v8::MaybeLocal<v8::String> MakeString(v8::Isolate* isolate, std::string_view utf8);
/// Zeros, for the guest. Empty where its memory has no room for them.
v8::MaybeLocal<v8::Uint8Array> MakeBytes(v8::Isolate* isolate, size_t bytes);
/// At most `bytes_max` bytes of the text as UTF-8, lone surrogates replaced.
std::string Utf8Of(v8::Isolate* isolate, v8::Local<v8::String> text, size_t bytes_max);
/// For texts of our own: short and valid.
v8::Local<v8::String> Text(v8::Isolate* isolate, std::string_view text);

/// An Error of the guest's realm that carries a code of the table where its code cannot forge it.
v8::Local<v8::Value> MakeError(v8::Isolate* isolate, Code code, std::string_view message);
/// The code that `MakeError` put there, else `otherwise`.
Code CodeOfError(v8::Local<v8::Context> context, v8::Local<v8::Value> error, Code otherwise);

struct DecodedReply {
  v8::Local<v8::Value> value;
  bool is_error = false;
  bool no_room = false;  ///< the guest's memory has none for its bytes
};
/// The reply at the head of `*bytes`, which moves behind it. False when it is torn or when V8 cannot hold it.
bool DecodeReply(v8::Isolate* isolate, v8::Local<v8::Context> context, std::string_view* bytes,
                 ReplyShape shape, bool binary, DecodedReply* reply);

/// Appends the argument's bytes to `to`: strings as UTF-8, byte arrays as they are, null and undefined as
/// nothing, anything else as String(value). False when the guest's own conversion threw (the exception is
/// pending), or when it takes more than `bytes_max` (`to` is then more than that longer).
bool AppendArgument(v8::Isolate* isolate, v8::Local<v8::Context> context, v8::Local<v8::Value> value,
                    size_t bytes_max, std::string* to);

}  // namespace locus
