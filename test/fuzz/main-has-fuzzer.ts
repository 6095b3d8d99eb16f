// For build.sh: ends with 0 where fuzzers can be built, else with 1.

import { hasFuzzer } from "./fuzzers.ts";

process.exitCode = hasFuzzer() ? 0 : 1;
