// What the processes that answer wait for, seen at real ones.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { StallWatch, waitsForDisk } from "./stalls.ts";

/** statfs(2), TMPFS_MAGIC: there nothing waits. */
const TMPFS = 0x0102_1994;
/** Writes one block again and again, each time down to the disk, for a minute at most. */
const SYNCS = `
  const { constants, openSync, writeSync } = require("node:fs");
  const file = openSync(process.argv[1], constants.O_CREAT | constants.O_WRONLY | constants.O_DSYNC);
  for (const block = Buffer.alloc(4096), until = Date.now() + 60_000; Date.now() < until; ) writeSync(file, block, 0, 4096, 0);
`;
const folder = mkdtempSync(join(tmpdir(), "locus-stalls-"));
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = async (program: string, ...argv: readonly string[]): Promise<number> => {
  const child = spawn(program, argv, { stdio: "ignore" });
  children.push(child);
  await once(child, "spawn");
  return child.pid!;
};

it.skipIf(statfsSync(folder).type === TMPFS)("who syncs what it writes is seen waiting for the disk", async () => {
  const pid = await start(process.execPath, "-e", SYNCS, join(folder, "block"));
  await expect.poll(() => waitsForDisk(pid), { interval: 1 }).toBe(true);
  const watch = new StallWatch(["one"], () => pid);
  try {
    await expect.poll(() => watch.waits.one.some(({ waitedMs }) => waitedMs > 1)).toBe(true);
  } finally {
    watch.close();
  }
});

it("who sleeps, was stopped or is gone waits for no disk", async () => {
  const pid = await start("sleep", "60");
  await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "utf8")).toMatch(/\) S /);
  for (let look = 0; look < 100; look++) {
    if (look === 50) process.kill(pid, "SIGSTOP");
    expect(waitsForDisk(pid)).toBe(false);
  }
  expect(waitsForDisk(2 ** 30)).toBe(false);
});
