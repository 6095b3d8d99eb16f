// What the processes that answer wait for, seen at real ones.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { statOf } from "#bench/harness/processes.ts";
import { bothMs, StallWatch, waitsForDisk, type Wait } from "./stalls.ts";

/** statfs(2): ext4, XFS, Btrfs. On others (memory, layers) it may be that nobody waits. */
const ON_DISKS: ReadonlySet<number> = new Set([0xef53, 0x5846_5342, 0x9123_683e]);
/** Writes one block again and again, each time down to the disk, for two minutes at most. */
const SYNCS = `
  const { constants, openSync, writeSync } = require("node:fs");
  const file = openSync(process.argv[1], constants.O_CREAT | constants.O_WRONLY | constants.O_DSYNC);
  for (const block = Buffer.alloc(4096), until = Date.now() + 120_000; Date.now() < until; ) writeSync(file, block, 0, 4096, 0);
`;
const folder = mkdtempSync(join(tmpdir(), "locus-stalls-"));
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = async (program: string, ...argv: readonly string[]): Promise<number> => {
  const child = spawn(program, argv, { stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  await once(child, "spawn");
  return child.pid!;
};
const total = (waits: readonly Wait[]): number => waits.reduce((sum, { waitedMs }) => sum + waitedMs, 0);

it.runIf(ON_DISKS.has(statfsSync(folder).type))("who syncs what it writes is seen waiting for the disk", async () => {
  const pid = await start(process.execPath, "-e", SYNCS, join(folder, "block"));
  const watch = new StallWatch(["one"], ["one"], () => pid);
  const ofCores = new StallWatch(["one"], [], () => pid);
  try {
    await expect.poll(() => total(watch.waits.one) - total(ofCores.waits.one)).toBeGreaterThan(500);
  } finally {
    watch.close();
    ofCores.close();
  }
});

it("who sleeps, was stopped or is gone waits for no disk", async () => {
  const pid = await start("sleep", "300");
  for (const state of ["S", "T"]) {
    if (state === "T") process.kill(pid, "SIGSTOP");
    await expect.poll(() => statOf(pid)[0]).toBe(state);
    expect(waitsForDisk(pid)).toBe(false);
  }
  expect(waitsForDisk(2 ** 30)).toBe(false);
});

it.each([
  ["are added up", 30, 40, 100, 70],
  ["are no longer together than the time they are told in", 80, 70, 100, 100],
  ["count whole where one for a core began before", 400, 50, 100, 400],
])("waits for a core and for the disk %s", (_what, coreMs, diskMs, elapsedMs, waitedMs) => {
  expect(bothMs(coreMs, diskMs, elapsedMs)).toBe(waitedMs);
});
