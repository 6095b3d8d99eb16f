import { totalmem } from "node:os";
import { describe, expect, it, test } from "vitest";
import { type Machine, machineOffer, memoryShares } from "./machine-offer.ts";

const [MIB, GIB] = [2 ** 20, 2 ** 30];
/** As the kernel's groups of version 1 and 2 say that there is no limit, and libuv hands it on. */
const NO_LIMITS = [2 ** 63 - 4_096, 2 ** 64 - 1];

/** 16 GiB, of which 10 are free, with 4 cores and no limit. */
const machineOf = (more: Partial<Machine> = {}): Machine => ({
  totalBytes: () => 16 * GIB,
  freeBytes: () => 10 * GIB,
  limitBytes: () => 0,
  leftBytes: () => 0,
  cores: () => 4,
  ...more,
});

const UNSET = { isolateMemoryMb: null, nodeMemoryMb: null, driver: "isolate" } as const;

describe("memory for functions", () => {
  test("is half of the machine's: for isolates, and for instances that are isolates", () => {
    expect(memoryShares(UNSET, machineOf())).toEqual({ isolatesMb: 8 * 1_024, offeredMb: 8 * 1_024 });
  });

  test.each(["process", "docker"] as const)("leaves instances by %s a quarter of the machine's", (driver) => {
    expect(memoryShares({ ...UNSET, driver }, machineOf())).toEqual({ isolatesMb: 8 * 1_024, offeredMb: 4 * 1_024 });
  });

  test("is rounded down, and room for some isolates at least", () => {
    expect(memoryShares(UNSET, machineOf({ totalBytes: () => 1_001 * MIB }))).toEqual({
      isolatesMb: 500,
      offeredMb: 500,
    });
    expect(memoryShares(UNSET, machineOf({ totalBytes: () => 1 })).isolatesMb).toBe(64);
  });

  test("is a part of the container's limit if that is less", () => {
    expect(memoryShares(UNSET, machineOf({ limitBytes: () => 4 * GIB })).isolatesMb).toBe(2_048);
  });

  test.each([0, 16 * GIB, 16 * GIB + 1, 2 ** 60, ...NO_LIMITS])(
    "is a part of the machine's if the limit is %d: none, or more than there is",
    (limit) => {
      expect(memoryShares(UNSET, machineOf({ limitBytes: () => limit })).isolatesMb).toBe(8 * 1_024);
    },
  );

  test("is what the settings say", () => {
    expect(memoryShares({ ...UNSET, isolateMemoryMb: 100 }, machineOf())).toEqual({ isolatesMb: 100, offeredMb: 100 });
    const both = { ...UNSET, isolateMemoryMb: 100, nodeMemoryMb: 100_000 };
    expect(memoryShares(both, machineOf())).toEqual({ isolatesMb: 100, offeredMb: 100_000 });
  });
});

test("cores are the machine's, or what the settings say", () => {
  expect(machineOffer(500, null, machineOf())).toMatchObject({ memoryMb: 500, cpus: 4 });
  expect(machineOffer(500, 0.5, machineOf())).toMatchObject({ memoryMb: 500, cpus: 0.5 });
});

describe("what of that is free", () => {
  it("is all of it while the rest of the machine has room for whatever else runs there, and then what is left", () => {
    let freeBytes = 16 * GIB;
    const { availableMb } = machineOffer(12 * 1_024, null, machineOf({ freeBytes: () => freeBytes }));
    for (const [freeGib, mb] of [
      [16, 12 * 1_024],
      [12, 12 * 1_024],
      [11, 11 * 1_024],
      [0.5, 512],
      [0, 0],
    ] as const) {
      freeBytes = freeGib * GIB;
      expect(availableMb()).toBe(mb);
    }
  });

  it("is the less of what the container's limit leaves and what the machine has", () => {
    let [freeBytes, leftBytes] = [10 * GIB, GIB];
    const limited = { limitBytes: () => 4 * GIB, freeBytes: () => freeBytes, leftBytes: () => leftBytes };
    const { availableMb } = machineOffer(3_072, null, machineOf(limited));
    expect(availableMb()).toBe(1_024);
    [freeBytes, leftBytes] = [512 * MIB, 3 * GIB];
    expect(availableMb()).toBe(512);
    [freeBytes, leftBytes] = [10 * GIB, 4 * GIB];
    expect(availableMb()).toBe(3_072);
  });

  it.each([0, 16 * GIB, ...NO_LIMITS])(
    "is the machine's where the limit says %d, whatever that would leave",
    (limit) => {
      for (const leftBytes of [0, GIB, 2 ** 64 - 1]) {
        const machine = machineOf({ limitBytes: () => limit, leftBytes: () => leftBytes });
        expect(machineOffer(12 * 1_024, null, machine).availableMb()).toBe(10 * 1_024);
      }
    },
  );

  it("is never more than there is, whatever the settings say", () => {
    expect(machineOffer(100_000, null, machineOf()).availableMb()).toBe(10 * 1_024);
    expect(machineOffer(500, null, machineOf()).availableMb()).toBe(500);
  });
});

// Its cores: runtime/native/cores_test.cc.
test("this machine has memory to offer, and no more than it has", () => {
  const { isolatesMb, offeredMb } = memoryShares(UNSET);
  expect(isolatesMb).toBeLessThanOrEqual(Math.max(64, (totalmem() / MIB) * 0.5));
  const { availableMb } = machineOffer(offeredMb, 1);
  expect(availableMb()).toBeGreaterThan(0);
  expect(availableMb()).toBeLessThanOrEqual(offeredMb);
});
