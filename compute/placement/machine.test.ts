import { expect, test } from "vitest";
import { cpusOf, machineNow, idleUs, idleUsIn } from "./machine.ts";

test("a machine is read anew once a second: whoever runs a process may give it other cores meanwhile", () => {
  let [nowMs, readings] = [0, 0];
  const machine = machineNow(
    () => nowMs,
    () => ({ id: "m", cpus: [readings], cores: (readings += 1) }),
  );
  const seen = [0, 500, 999, 1_000, 1_500, 1_999, 5_000, 5_100].map((ms) => {
    nowMs = ms;
    return machine().cores;
  });
  expect(seen).toEqual([1, 1, 1, 2, 2, 2, 3, 3]);
});

test("a machine that cannot be read is what it was", () => {
  let [nowMs, readings] = [0, 0];
  const machine = machineNow(
    () => nowMs,
    () => {
      if ((readings += 1) === 2) throw new Error("EMFILE");
      return { id: "m", cpus: [0], cores: readings };
    },
  );
  const seen = [500, 1_000, 1_500, 2_000].map((ms) => {
    nowMs = ms;
    return machine().cores;
  });
  expect(seen).toEqual([1, 1, 1, 3]);
});

test("this one has cores, and they are those that it lists", () => {
  const { id, cpus, cores } = machineNow(() => 0)();
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(cpus.length).toBeGreaterThan(0);
  expect(cores).toBeGreaterThan(0);
  expect(cores).toBeLessThanOrEqual(cpus.length);
});

test("cores are listed as the kernel writes them, and no more of them than there can be", () => {
  expect(cpusOf("0-3,8")).toEqual([0, 1, 2, 3, 8]);
  expect(cpusOf("")).toEqual([]);
  expect(cpusOf("what it is")).toEqual([]);
  expect(cpusOf("0-99999999")).toHaveLength(4_096);
});

test("cores were idle for as long as the kernel says of those that a process may use", () => {
  const stat = `cpu  9 9 9 999 99 0 0 0 0 0
cpu0 1 2 3 100 20 0 0 0 0 0
cpu1 4 5 6 1000 7 0 0 0 0 0
cpu10 4 5 6 5 0 0 0 0 0 0
intr 80025822 0 0`;
  expect(idleUsIn(stat, [0])).toBe(1_200_000);
  expect(idleUsIn(stat, [0, 1, 2])).toBe(11_270_000);
  expect(idleUsIn(stat, [10])).toBe(50_000);
  expect(idleUsIn(stat, [2])).toBeNaN();
  expect(idleUs()).not.toBeLessThan(0);
});
