// The least that a test in C++ needs: what was expected and did not hold is told with its place, and fails
// the program.
#pragma once

#include <cstdio>

inline int failures = 0;

#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                          \
    }                                                                      \
  } while (false)
