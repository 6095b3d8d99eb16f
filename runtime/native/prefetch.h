// Asking the core for memory that is looked at soon, while something else is done.
#pragma once

namespace locus {

/// Of the cache line at `address`, which may be anything. g++ 12 takes a function that does nothing else for one
/// without effects, and leaves out calls of it: the empty statement is an effect, and no instruction.
inline void Prefetch(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace locus
