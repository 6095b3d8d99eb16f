// What the prelude (runtime/sandbox/prelude.guest.ts) gets from C++, in the guest's realm. The prelude keeps
// these to itself: guest code never holds one.
#pragma once

#include <v8.h>

namespace locus {

class GuestLoop;

void InstallNatives(GuestLoop* loop, v8::Local<v8::Context> context, v8::Local<v8::Object> target);
/// What our own programs get (runtime/sandbox/auxiliary-globals.guest.ts), as the global `natives` of their
/// context.
void InstallAuxiliaryNatives(v8::Isolate* isolate, v8::Local<v8::Context> context);

}  // namespace locus
