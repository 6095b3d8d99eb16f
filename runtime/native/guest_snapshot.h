// What every isolate starts from: a V8 snapshot of a context in which the prelude has run, and of one with our own
// programs (guest_auxiliary.cc). A host makes it once when it starts, so it fits the V8 and the natives of this very
// process, and nothing of a user's has ever run in it.
#pragma once

#include <v8.h>

#include <string>

namespace locus {

/// Programs as the build makes them (Makefile, GUESTS), each an expression.
struct GuestSources {
  std::string prelude;    ///< a function of the natives that installs the guest's globals and returns its hooks
  std::string auxiliary;  ///< schemas and stacks; its value has the functions
  std::string url;        ///< URL and URLSearchParams, compiled at first use
};

class GuestSnapshot {
 public:
  /// The process' own. Empty until it is made.
  static GuestSnapshot& Get();

  /// Takes some milliseconds. Empty, or what is wrong with the programs.
  std::string Make(GuestSources sources);

  const std::string& url_source() const { return sources_.url; }
  /// For the isolates that begin with it.
  void SetUp(v8::Isolate::CreateParams* params);

  // Of such an isolate, each once.
  static v8::Local<v8::Context> GuestContext(v8::Isolate* isolate);
  static v8::Local<v8::FunctionTemplate> RedisTemplate(v8::Isolate* isolate);
  /// The prelude's hooks.
  static v8::Local<v8::Object> Hooks(v8::Local<v8::Context> guest);
  /// Empty where the isolate's memory has no room for it.
  static v8::MaybeLocal<v8::Context> AuxiliaryContext(v8::Isolate* isolate);
  /// The functions of our own programs.
  static v8::Local<v8::Object> AuxiliaryExports(v8::Local<v8::Context> auxiliary);

 private:
  std::string MakeOnThisThread();

  GuestSources sources_;
  v8::StartupData blob_ = {nullptr, 0};
};

}  // namespace locus
