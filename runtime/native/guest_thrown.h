// What guest code threw, as text: nothing of it crosses to the host or to a caller as an object.
#pragma once

#include <v8.h>

#include <string>

#include "codes.h"

namespace locus {

struct Thrown {
  Code code = Code::FUNCTION_FAILED;
  /// "TypeError: …", or the value itself where it is no error; what an author may look up, where that helps;
  /// then what stands behind the error (runtime/sandbox/error-causes.guest.ts).
  std::string message;
  /// As V8 wrote it, positions not mapped, then those of what stands behind it; empty for what is no error.
  std::string stack;
  /// With CALL_REFUSED: the JSON of its status and data; it has no stack then.
  std::string refusal;
  /// The turn was ended while it was read: the rest is missing, and does not matter.
  bool terminated = false;
};

/// Reading a property may run guest code: inside a turn only, or while a bundle is loaded. `explain` is the
/// prelude's.
Thrown ReadThrown(v8::Local<v8::Context> context, v8::Local<v8::Function> explain,
                  v8::Local<v8::Value> value);

}  // namespace locus
