// Two projects: `unit` (beside the sources; seconds, no process but ours) and `system`
// (`test/`: real Redis, real sandbox hosts, real containers).
import { defineConfig } from "vitest/config";

const shared = { pool: "forks" as const, execArgv: ["--no-node-snapshot"] };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          // Properties try a hundred cases: seconds on a busy machine.
          testTimeout: 60_000,
          include: ["{runtime,compute,scheduler,functions,bench,deploy}/**/*.test.ts"],
        },
      },
      {
        test: {
          ...shared,
          name: "system",
          include: ["test/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
