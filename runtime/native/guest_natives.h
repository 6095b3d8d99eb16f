// What the prelude (runtime/sandbox/prelude.guest.ts) gets from C++, in the guest's realm. The prelude keeps
// these to itself: guest code never holds one.
#pragma once

#include <v8.h>

#include <cstdint>

namespace locus {

/// They go into the snapshot (guest_snapshot.h).
v8::Local<v8::Object> MakeNatives(v8::Isolate* isolate, v8::Local<v8::Context> context);
/// The class behind `redis`.
v8::Local<v8::FunctionTemplate> MakeRedisTemplate(v8::Isolate* isolate);
/// What our own programs get (runtime/sandbox/auxiliary-globals.guest.ts), as the global `natives` of their
/// context.
void InstallAuxiliaryNatives(v8::Isolate* isolate, v8::Local<v8::Context> context);
/// Addresses of what `MakeNatives` makes, for the snapshot; 0 ends them.
const intptr_t* NativeReferences();

}  // namespace locus
