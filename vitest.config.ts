// Two projects: `unit` (beside the sources; seconds, no process but ours) and `system`
// (`test/`: real Redis, real sandbox hosts, real containers).
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

/** Files at once. Most of them wait for something half of the time; what each starts needs memory. */
const WORKERS = Math.min(availableParallelism() + 2, 8);
/** Of conditions that come true within a second on a quiet machine. */
const CONDITION_TIMEOUT_MS = 60_000;

const shared = {
  pool: "forks" as const,
  execArgv: ["--no-node-snapshot"],
  maxWorkers: WORKERS,
  setupFiles: ["test/patience.ts"],
  provide: { conditionTimeoutMs: CONDITION_TIMEOUT_MS },
  expect: { poll: { timeout: CONDITION_TIMEOUT_MS } },
  // Properties try a hundred cases: seconds on a busy machine.
  testTimeout: 120_000,
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          // What files share (a module read and compiled once) is half of the time of small ones.
          isolate: false,
          include: ["{runtime,compute,scheduler,functions,bench,deploy}/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "system",
          include: ["test/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // Processes that die and machines that are busy: once more, and what needed it is named at the end (test/main-closing-line.ts).
          retry: 1,
        },
      },
    ],
  },
});
