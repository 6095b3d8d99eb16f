import { describe, expect, it } from "vitest";
import { Nodes, type Storage } from "./capacity.ts";
import type { Machine } from "./messages.ts";

const MACHINE: Machine = { id: "m", cpus: [0, 1], cores: 2 };
const STORAGE: Storage = {
  machine: null,
  isolatesMax: Infinity,
  isOpen: true,
  findsReads: true,
};
const NO_WORK = { ofNodes: 0, ofRedis: 0 };

const nodesOn = (...machines: readonly Machine[]): Nodes => {
  const nodes = new Nodes();
  machines.forEach((machine, at) =>
    nodes.report(`n${at}`, { machine, isolatesMax: null }, { inFlight: 3, windowMs: 25 }, 1_000),
  );
  return nodes;
};
const capacityOf = (machines: readonly Machine[], storage: Partial<Storage> = {}, work = NO_WORK) =>
  nodesOn(...machines).capacity({ ...STORAGE, ...storage }, work, 1_000);

describe("compute cores", () => {
  it.each([
    ["of two machines add up", [MACHINE, { ...MACHINE, id: "other" }], 4],
    ["of one machine count once, however many nodes are on it", [MACHINE, MACHINE], 2],
    ["of one machine add up if its nodes may use different ones", [MACHINE, { ...MACHINE, cpus: [2, 3] }], 4],
    ["are limited by a quota", [{ ...MACHINE, cores: 1 }], 1],
  ])("%s", (_, machines, cores) => {
    expect(capacityOf(machines).computeCores).toBe(cores);
  });

  it("are fewer if nodes do other work, but half of them are always planned with", () => {
    expect(capacityOf([MACHINE], {}, { ofNodes: 0.5, ofRedis: 0 }).computeCores).toBe(1.5);
    expect(capacityOf([MACHINE], {}, { ofNodes: 9, ofRedis: 0 }).computeCores).toBe(1);
  });
});

describe("storage cores", () => {
  const machine = { id: "storage", cpus: [0, 1, 2, 3], cores: 4 };

  it("are those of Redis' machine, and no more than its hosts have isolates", () => {
    expect(capacityOf([MACHINE], { machine })).toMatchObject({ storageCores: 4, storageMachineCores: 4 });
    expect(capacityOf([MACHINE], { machine, isolatesMax: 1 })).toMatchObject({
      storageCores: 1,
      storageMachineCores: 4,
    });
  });

  it("are none while storage runs nothing", () => {
    expect(capacityOf([MACHINE], { machine, isOpen: false }).storageCores).toBe(0);
  });

  it("lose what plain clients take of Redis' thread, but for a tenth", () => {
    const work = { ofNodes: 0, ofRedis: 0.5 };
    expect(capacityOf([MACHINE], { machine }, work)).toMatchObject({ redisThread: 0.5, storageMachineCores: 3.5 });
    expect(capacityOf([MACHINE], { machine }, { ofNodes: 0, ofRedis: 1 }).redisThread).toBeCloseTo(0.1);
  });
});

describe("shared cores", () => {
  it.each([
    ["are those of the machine if all nodes are beside Redis", [MACHINE], MACHINE, 2],
    ["are none if Redis' machine is unknown", [MACHINE], null, Infinity],
    ["are none if node and Redis use different cores", [MACHINE], { ...MACHINE, cpus: [2, 3] }, Infinity],
    ["are none if another node is elsewhere", [MACHINE, { ...MACHINE, id: "other" }], MACHINE, Infinity],
  ])("%s", (_, machines, machine, cores) => {
    expect(capacityOf(machines, { machine }).sharedCores).toBe(cores);
  });
});

describe("nodes", () => {
  it("that are silent take no part", () => {
    const nodes = nodesOn(MACHINE);
    nodes.forgetSilent(2_000);
    expect(nodes.count).toBe(1);
    nodes.forgetSilent(60_000);
    expect(nodes.count).toBe(0);
    expect(nodes.inFlight(60_000)).toBe(0);
  });

  it("are not what brings calls straight to Redis", () => {
    const nodes = nodesOn(MACHINE);
    nodes.reportDirect({ inFlight: 2, windowMs: 25 }, 1_000);
    expect(nodes.hasDirect).toBe(true);
    expect(nodes.count).toBe(1);
    expect(nodes.capacity(STORAGE, NO_WORK, 1_000)).toMatchObject({ computeCores: 2, callers: 5 });
  });

  it("are bounded in number", () => {
    const nodes = new Nodes();
    for (let at = 0; at < 2_000; at++)
      nodes.report(`n${at}`, { machine: MACHINE, isolatesMax: null }, { inFlight: 0, windowMs: 25 }, 0);
    expect(nodes.count).toBeLessThanOrEqual(1_024);
  });
});

describe("memory for isolates", () => {
  const roomOf = (isolates: readonly (number | null)[], storage: Partial<Storage> = {}) => {
    const nodes = new Nodes();
    isolates.forEach((isolatesMax, at) =>
      nodes.report(`n${at}`, { machine: MACHINE, isolatesMax }, { inFlight: 0, windowMs: 25 }, 0),
    );
    return nodes.capacity({ ...STORAGE, ...storage }, NO_WORK, 0).room;
  };

  it("is that of the node that has the least, but for a tenth", () => {
    expect(roomOf([1_000, 100, null])).toEqual({ compute: 90, storage: Infinity });
    expect(roomOf([1], { isolatesMax: 50 })).toEqual({ compute: 1, storage: 45 });
  });

  it("is no bound while no node tells it", () => {
    expect(roomOf([null]).compute).toBe(Infinity);
    expect(roomOf([]).compute).toBe(Infinity);
  });
});
