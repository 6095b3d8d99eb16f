// What every isolate starts from: a V8 snapshot of a context in which the prelude has run, and of another one with the
// program that checks values. An isolate makes that context when it needs it. A host makes the snapshot once when it starts:
// it fits the V8 and the natives of this very process, and nothing of a user's has ever run in it.
#pragma once

#include <v8.h>

#include <string>

namespace locus {

class GuestSnapshot {
 public:
  /// The process' own. Empty until it is made.
  static GuestSnapshot& Get();

  /// `prelude`: an expression, a function of the natives that installs the guest's globals and returns its hooks. Takes
  /// some milliseconds. `checker`: an expression, the exports of runtime/sandbox/checker.guest.ts. Empty, or what is
  /// wrong with the programs.
  std::string Make(const std::string& prelude, const std::string& checker);

  /// For the isolates that begin with it.
  void SetUp(v8::Isolate::CreateParams* params);
  /// The prelude's hooks, once in each isolate.
  static v8::Local<v8::Object> Hooks(v8::Local<v8::Context> guest);
  /// The checker's context and exports, once in each isolate. Empty when there is no memory.
  static v8::MaybeLocal<v8::Context> Checker(v8::Isolate* isolate, v8::Local<v8::Object>* exports);

 private:
  std::string MakeOnThisThread(const std::string& prelude, const std::string& checker);

  v8::StartupData blob_ = {nullptr, 0};
};

}  // namespace locus
