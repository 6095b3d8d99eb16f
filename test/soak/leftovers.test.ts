// What counts as left behind, and what does not.

import { expect, it } from "vitest";
import { type AllHoldings, compareHoldings, holdingsOf, type Holdings } from "./leftovers.ts";

const MIB = 1024 * 1024;
const USUAL: Holdings = {
  pid: 1,
  descriptors: 60,
  memoryFiles: 1,
  hosts: 1,
  zombies: 0,
  threads: 8,
  hostThreads: 27,
  residentBytes: 15 * MIB,
  hostsResidentBytes: 97 * MIB,
  cpuShare: 0,
};
const all = (master: Partial<Holdings>): AllHoldings => ({
  master: { ...USUAL, ...master },
  replica: USUAL,
  node1: USUAL,
  node2: USUAL,
});
const told = (master: Partial<Holdings>): readonly string[] =>
  compareHoldings(all({}), all(master)).map(({ text }) => text.replace(/^master \(pid 1\) has /, ""));

it.each([
  [{ descriptors: 140 }, { descriptors: 141 }, "141 descriptors, after the warm-up 60"],
  [{ memoryFiles: 1 }, { memoryFiles: 2 }, "2 memory files for 1 hosts"],
  [{ zombies: 2 }, { zombies: 3 }, "3 children that have ended"],
  [{ threads: 12 }, { threads: 13 }, "13 threads, after the warm-up 8"],
  [{ hostThreads: 64 }, { hostThreads: 65 }, "a sandbox host with 65 threads"],
  [{ residentBytes: 111 * MIB }, { residentBytes: 112 * MIB }, "112 MiB resident, after the warm-up 15"],
  [
    { hostsResidentBytes: 161 * MIB },
    { hostsResidentBytes: 162 * MIB },
    "162 MiB resident in 1 sandbox hosts, after the warm-up 97 in 1",
  ],
  [{ cpuShare: 0.5 }, { cpuShare: 0.51 }, "0.51 of a core busy while nobody calls"],
])("%o is usual, %o is left behind", (usual, left, text) => {
  expect(told(usual)).toEqual([]);
  expect(told(left)).toEqual([text]);
});

it("allows for each further host what a host holds, and wants one at least", () => {
  const two = { hosts: 2, memoryFiles: 2, descriptors: 162, hostsResidentBytes: 322 * MIB };
  expect(told(two)).toEqual([]);
  expect(told({ ...two, hostsResidentBytes: 323 * MIB })).toHaveLength(1);
  expect(told({ ...two, descriptors: 163 })).toHaveLength(1);
  expect(told({ hosts: 0, memoryFiles: 0, hostsResidentBytes: 0 })).toEqual(["no sandbox host"]);
});

it("is measured of processes that are there", async () => {
  const { master } = await holdingsOf(() => process.pid);
  expect(master).toMatchObject({ pid: process.pid, memoryFiles: 0 });
  for (const count of [master.descriptors, master.threads, master.residentBytes]) expect(count).toBeGreaterThan(0);
});
