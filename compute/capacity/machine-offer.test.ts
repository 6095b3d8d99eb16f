import { totalmem } from "node:os";
import { describe, expect, it, test } from "vitest";
import { type Machine, machineOffer } from "./machine-offer.ts";

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

describe("what a machine offers", () => {
  it("is three quarters of its memory, and its cores", () => {
    expect(machineOffer(null, null, machineOf())).toMatchObject({ memoryMb: 12 * 1_024, cpus: 4 });
  });

  it("is whole MiB, rounded down, and nothing where there is next to nothing", () => {
    for (const [totalBytes, memoryMb] of [
      [1_001 * MIB, 750],
      [1_001 * MIB - 1, 750],
      [1_000 * MIB - 1, 749],
      [MIB, 0],
      [1, 0],
    ] as const) {
      expect(machineOffer(null, null, machineOf({ totalBytes: () => totalBytes })).memoryMb).toBe(memoryMb);
    }
  });

  it("is three quarters of what its container may have, where that is less", () => {
    expect(machineOffer(null, null, machineOf({ limitBytes: () => 4 * GIB })).memoryMb).toBe(3_072);
    expect(machineOffer(null, null, machineOf({ limitBytes: () => 1 })).memoryMb).toBe(0);
  });

  it.each([0, 16 * GIB, 16 * GIB + 1, 2 ** 60, ...NO_LIMITS])(
    "is the machine's where the limit says %d: nothing, or more than there is",
    (limit) => {
      expect(machineOffer(null, null, machineOf({ limitBytes: () => limit })).memoryMb).toBe(12 * 1_024);
    },
  );

  it("is what the settings say, one without the other, and more than there is as well", () => {
    const machine = machineOf({ limitBytes: () => 4 * GIB });
    expect(machineOffer(500, null, machine)).toMatchObject({ memoryMb: 500, cpus: 4 });
    expect(machineOffer(null, 0.5, machine)).toMatchObject({ memoryMb: 3_072, cpus: 0.5 });
    expect(machineOffer(100_000, 64, machine)).toMatchObject({ memoryMb: 100_000, cpus: 64 });
  });
});

describe("what of that is free", () => {
  it("is all of it while the rest of the machine has room for whatever else runs there, and then what is left", () => {
    let freeBytes = 16 * GIB;
    const { availableMb } = machineOffer(null, null, machineOf({ freeBytes: () => freeBytes }));
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
    const { availableMb } = machineOffer(null, null, machineOf(limited));
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
        expect(machineOffer(null, null, machine).availableMb()).toBe(10 * 1_024);
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
  const { memoryMb, availableMb } = machineOffer(null, 1);
  expect(memoryMb).toBeGreaterThan(0);
  expect(memoryMb).toBeLessThanOrEqual((totalmem() / MIB) * 0.75);
  expect(availableMb()).toBeGreaterThan(0);
  expect(availableMb()).toBeLessThanOrEqual(memoryMb);
});
