// Groups of the kernel in their second version, for real, on whatever machine: in a virtual one whose kernel has no other. Skipped, saying why,
// where there can be none.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { AGENT_PATH } from "#scheduler/driver/agent-program.ts";
import { installEmulator, runInVirtualMachine } from "./virtual-machine.ts";

const TIMEOUT_MS = 600_000;
/** It takes half a minute; where others have the processor too, more. */
const RUN_TIMEOUT_MS = 300_000;
const MIB = 2 ** 20;
/** Among what the console shows besides. */
const TOLD = /\{"group":.*\}/;
const SCRIPT = `
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t cgroup2 none /sys/fs/cgroup
echo "+cpu +memory" > /sys/fs/cgroup/cgroup.subtree_control
node /locus/test/containers/main.mjs
`;

test(
  "groups of version 2 hold a process to its CPU and memory, and are gone with it",
  { timeout: TIMEOUT_MS },
  async ({ skip }) => {
    try {
      await installEmulator();
    } catch (error) {
      skip((error as Error).message);
    }
    const folder = mkdtempSync(join(tmpdir(), "locus-guest-"));
    try {
      const program = join(folder, "main.mjs");
      await build({
        entryPoints: [join(import.meta.dirname, "main-cgroup-guest.ts")],
        outfile: program,
        bundle: true,
        platform: "node",
        format: "esm",
        banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      });
      const files = {
        "/bin/node": process.execPath,
        // Where the program looks for it, from its own place.
        "/locus/build/agent.mjs": AGENT_PATH,
        "/locus/test/containers/main.mjs": program,
      };
      const console = await runInVirtualMachine({ files, script: SCRIPT, timeoutMs: RUN_TIMEOUT_MS });
      expect(console).toMatch(TOLD);
      const [line = ""] = TOLD.exec(console) ?? [];
      const { throttled, ...rest } = JSON.parse(line) as Readonly<Record<string, unknown>>;
      expect(rest).toEqual({
        group: 'ok "0::/locus/i1\\n"',
        before: ["50000 100000", String(128 * MIB)],
        held: [true, true],
        after: ["25000 100000", String(192 * MIB)],
        eaten: "MEMORY_LIMIT",
        left: [],
      });
      expect(throttled).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
