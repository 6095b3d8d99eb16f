import { expect, test } from "vitest";
import { cpusOf, machineNow } from "./machine.ts";

test("a machine is read again once a second, and stays as it was while it cannot be read", () => {
  let [nowMs, readings] = [0, 0];
  const machine = machineNow(
    () => nowMs,
    () => {
      if ((readings += 1) === 2) throw new Error("EMFILE");
      return { id: "m", cpus: [0], cores: readings };
    },
  );
  const seen = [500, 1_000, 1_500, 2_000, 2_999, 3_000].map((ms) => {
    nowMs = ms;
    return machine().cores;
  });
  expect(seen).toEqual([1, 1, 1, 3, 3, 4]);
});

test("this machine has an id, and no more cores than it lists", () => {
  const { id, cpus, cores } = machineNow(() => 0)();
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(cores).toBeGreaterThan(0);
  expect(cores).toBeLessThanOrEqual(cpus.length);
});

test("a list of cores is read as the kernel writes it, to a bound", () => {
  expect(cpusOf("0-3,8")).toEqual([0, 1, 2, 3, 8]);
  expect(cpusOf("")).toEqual([]);
  expect(cpusOf("none")).toEqual([]);
  expect(cpusOf("0-99999999")).toHaveLength(4_096);
});
