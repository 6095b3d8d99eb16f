import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cost } from "./cost-model.ts";
import { COMFORTABLE_UTILISATION, optimalShares, outlookOf, type Outlook } from "./optimal-shares.ts";
import { NONE_FIXED, POOLS, poolUse, type Capacity, type Load, type PoolUse } from "./pool-use.ts";

const ROOMY: Capacity = {
  computeCores: 4,
  storageCores: 4,
  redisThread: 1,
  storageMachineCores: 5,
  sharedCores: Infinity,
  nodes: 1,
  callers: 1_000,
  room: { compute: Infinity, storage: Infinity },
};

const cost = (latencyUs: number, computeUs: number, storageUs: number, redisUs: number): Cost => ({
  latencyUs,
  aloneUs: latencyUs,
  terms: { call: latencyUs, opening: 0, enter: 0, cpu: 0, operations: 0, rounds: 0, bytes: 0, crowd: 0 },
  computeUs,
  storageUs,
  redisUs,
});

/** A walk: many round trips from afar, few µs nearby. */
const walk = (callsPerSecond: number): Load => ({
  callsPerSecond,
  fixedPerSecond: NONE_FIXED,
  costs: { compute: cost(20_000, 8_000, 0, 2_000), storage: cost(1_200, 50, 900, 250) },
  lowest: 0,
  highest: 1,
  weight: 1,
});

/** A password check: computing, the same on both sides. */
const hash = (callsPerSecond: number): Load => ({
  callsPerSecond,
  fixedPerSecond: NONE_FIXED,
  costs: { compute: cost(10_100, 10_050, 0, 5), storage: cost(10_150, 50, 10_050, 30) },
  lowest: 0,
  highest: 1,
  weight: 1,
});

const sharesOf = (loads: readonly Load[], capacity = ROOMY, now = loads.map(() => 0)): number[] =>
  [...optimalShares(poolUse(loads, capacity), now)].map((share) => Math.round(share * 1e6) / 1e6);

describe("optimal shares", () => {
  test("without a load worth speaking of each function is where its callers wait least", () => {
    expect(sharesOf([walk(1), hash(1)])).toEqual([1, 0]);
  });

  test("when compute is full, what computes is split, and what walks stays beside its data", () => {
    const [walks = 0, hashes = 0] = sharesOf([walk(100), hash(600)]);
    expect(walks).toBe(1);
    expect(hashes).toBeGreaterThan(0.2);
    expect(hashes).toBeLessThan(0.5);
  });

  test("when storage is full, the walk goes last, since it has the greatest advantage there", () => {
    const capacity = { ...ROOMY, storageCores: 1, storageMachineCores: 2 };
    expect(sharesOf([walk(600), hash(290)], capacity)).toEqual([1, 0]);
  });

  test("of two alike that storage has no room for, the one goes whose callers' time counts less", () => {
    const capacity = { ...ROOMY, storageCores: 1, storageMachineCores: 2 };
    const weighted = (...weights: number[]) =>
      sharesOf(
        weights.map((weight) => ({ ...walk(450), weight })),
        capacity,
      );
    const [less = 0, more = 0] = weighted(1, 4);
    expect(more).toBe(1);
    expect(less).toBeGreaterThan(0);
    expect(less).toBeLessThan(1);
    expect(weighted(4, 1)).toEqual([more, less]);
  });

  test("callers that are in flight now may all be, and that many are is no reason to change anything", () => {
    const walking = { ...walk(100), callsPerSecond: 1_000 };
    const { pools } = poolUse([walking], ROOMY);
    // Nine tenths of them are at work at this share, and cores have room on both sides: it goes on to where callers wait least.
    const callers = (ROOMY.callers * pools[POOLS.indexOf("callers")]!.at([0.5])) / 0.9;
    expect(sharesOf([walking], { ...ROOMY, callers }, [0.5])).toEqual([1]);
  });

  test("one caller who keeps a core busy does not send work where it takes longer", () => {
    const scoring: Load = {
      ...hash(800),
      costs: { compute: cost(3_000, 1_500, 0, 60), storage: cost(1_200, 50, 1_000, 40) },
    };
    // 800 calls/s of 1.2 ms: one caller. The storage machine has one core, which is busy nearly all the time.
    const capacity = { ...ROOMY, computeCores: 1, storageCores: 1, storageMachineCores: 1, callers: 0.96 };
    expect(sharesOf([scoring], capacity, [1])).toEqual([1]);
    // The same with sixteen callers waiting in a queue: the other core helps.
    const [share = 0] = sharesOf([scoring], { ...capacity, callers: 16 }, [1]);
    expect(share).toBeLessThan(1);
    expect(share).toBeGreaterThan(0.5);
  });

  test("plain clients on Redis' thread leave less of it", () => {
    const loads = [{ ...walk(500), costs: { ...walk(500).costs, compute: cost(20_000, 4_000, 0, 100) } }];
    expect(sharesOf(loads)).toEqual([1]);
    expect(sharesOf(loads, { ...ROOMY, redisThread: 0.1 })[0]).toBeLessThan(1);
  });

  test("bounds hold", () => {
    expect(
      sharesOf([
        { ...walk(1), highest: 0 },
        { ...hash(1), lowest: 1 },
      ]),
    ).toEqual([0, 1]);
    expect(sharesOf([{ ...walk(1), lowest: 0.25, highest: 0.25 }])).toEqual([0.25]);
  });
});

describe("of any load", () => {
  const us = fc.integer({ min: 1, max: 20_000 });
  const anyCost = fc.tuple(us, us, us, us).map(([latency, compute, storage, redis]) => ({
    compute: cost(latency + compute + redis, compute, 0, redis),
    storage: cost(latency / 4 + storage + redis / 2, 30, storage, redis / 2),
  }));
  const anyLoads = fc.array(
    fc.record({
      callsPerSecond: fc.integer({ min: 1, max: 2_000 }),
      fixedPerSecond: fc.constantFrom(NONE_FIXED, { compute: 100, storage: 0 }, { compute: 10, storage: 500 }),
      costs: anyCost,
      lowest: fc.constant(0),
      highest: fc.constant(1),
      weight: fc.constantFrom(0.5, 1, 4),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const anyCapacity = fc.record({
    computeCores: fc.integer({ min: 1, max: 16 }),
    storageCores: fc.integer({ min: 1, max: 8 }),
    redisThread: fc.double({ min: 0.1, max: 1, noNaN: true }),
    storageMachineCores: fc.integer({ min: 1, max: 9 }),
    sharedCores: fc.constantFrom(Infinity, 2, 5),
    nodes: fc.constant(1),
    // What no plan may use more of than is used now is no part of how good it is.
    callers: fc.constant(1e9),
    room: fc.constant(ROOMY.room),
  });

  /** Overload decides; where it is the same, waiting does. */
  const overloadOf = ({ busiest }: Outlook): number => Math.max(0, busiest - COMFORTABLE_UTILISATION);
  const isWorse = (one: Outlook, other: Outlook): boolean =>
    overloadOf(one) > overloadOf(other) + 2e-6 ||
    (Math.abs(overloadOf(one) - overloadOf(other)) <= 1e-9 && one.waitUsPerSecond > other.waitUsPerSecond * (1 + 1e-6));

  const anyShares = fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }));

  /** Where callers of each function wait least: all on one side, as far as it may. */
  const fastestOf = (loads: readonly Load[]): number[] =>
    loads.map(({ costs: { compute, storage } }) => (storage.latencyUs < compute.latencyUs ? 1 : 0));

  test("no other shares are better: neither all compute, nor all storage, nor any", () => {
    fc.assert(
      fc.property(anyLoads, anyCapacity, anyShares, (loads, capacity, any) => {
        const use = poolUse(loads, capacity);
        const best = outlookOf(
          use,
          optimalShares(
            use,
            loads.map(() => 0),
          ),
        );
        for (const others of [loads.map(() => 0), loads.map(() => 1), loads.map(() => any.next().value)]) {
          expect(isWorse(best, outlookOf(use, others))).toBe(false);
        }
      }),
    );
  });

  test("no more callers are needed than now, nor more than are comfortable beside what is too busy now", () => {
    fc.assert(
      fc.property(
        anyLoads,
        anyCapacity,
        fc.integer({ min: 1, max: 5_000 }),
        anyShares,
        (loads, roomy, callers, any) => {
          const use = poolUse(loads, { ...roomy, callers });
          const now = loads.map(() => any.next().value);
          const [before, after] = [outlookOf(use, now), outlookOf(use, optimalShares(use, now))];
          const most = Math.max(before.utilisation.callers, COMFORTABLE_UTILISATION + overloadOf(before));
          expect(after.utilisation.callers).toBeLessThanOrEqual(most * (1 + 1e-6));
          expect(overloadOf(after)).toBeLessThanOrEqual(overloadOf(before) + 1e-6);
        },
      ),
    );
  });

  test("twice the load changes nothing below saturation, and nor does it in any pool that has room for it", () => {
    fc.assert(
      fc.property(anyLoads, anyCapacity, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (loads, capacity, part) => {
        const scaled = (by: number) =>
          loads.map(({ callsPerSecond, fixedPerSecond: { compute, storage }, ...load }) => ({
            ...load,
            callsPerSecond: by * callsPerSecond,
            fixedPerSecond: { compute: by * compute, storage: by * storage },
          }));
        const best = fastestOf(loads);
        const { busiest } = outlookOf(poolUse(scaled(1), capacity), best);
        const most = (part * COMFORTABLE_UTILISATION) / busiest;
        expect([most / 2, most].map((by) => sharesOf(scaled(by), capacity))).toEqual([best, best]);
      }),
    );
  });

  test("more storage cores make no plan worse, and move no function that is alone away from storage", () => {
    fc.assert(
      fc.property(anyLoads, anyCapacity, fc.integer({ min: 1, max: 8 }), (loads, capacity, more) => {
        const larger = {
          ...capacity,
          storageCores: capacity.storageCores + more,
          storageMachineCores: capacity.storageMachineCores + more,
        };
        const now = loads.map(() => 0);
        const outlookWith = (use: PoolUse): Outlook => outlookOf(use, optimalShares(use, now));
        const [before, after] = [outlookWith(poolUse(loads, capacity)), outlookWith(poolUse(loads, larger))];
        expect(isWorse(after, before)).toBe(false);
        for (const load of loads) {
          const [one = 0] = sharesOf([load], capacity);
          const [other = 0] = sharesOf([load], larger);
          expect(other).toBeGreaterThanOrEqual(one - 1e-6);
        }
      }),
    );
  });

  /** What the loads keep busy under these shares, cores: those of storage, and of the machine that Redis is on. */
  const workOf = (loads: readonly Load[], shares: ArrayLike<number>) => {
    const sum = (usOf: (load: Load, share: number) => number): number =>
      loads.reduce((total, load, index) => total + load.callsPerSecond * usOf(load, shares[index]!), 0) / 1e6;
    return {
      storage: sum(({ costs: { storage } }, share) => share * storage.storageUs),
      machine: sum(
        ({ costs: { compute, storage } }, share) =>
          share * (storage.storageUs + storage.redisUs) + (1 - share) * compute.redisUs,
      ),
    };
  };
  /** Of which nothing is cheaper on either side as a rule; few enough that what callers wait for decides as often as what is full. */
  const anyUnlikeLoads = fc.array(
    fc
      .record({
        callsPerSecond: fc.integer({ min: 1, max: 200 }),
        fixedPerSecond: fc.constantFrom(NONE_FIXED, { compute: 20, storage: 0 }, { compute: 5, storage: 50 }),
        costs: fc.record({
          compute: fc.tuple(us, us, us).map(([latency, compute, redis]) => cost(latency, compute, 0, redis)),
          storage: fc.tuple(us, us, us).map(([latency, storage, redis]) => cost(latency, 30, storage, redis)),
        }),
        bounds: fc.constantFrom([0, 1], [0, 1], [0, 0], [1, 1]),
        weight: fc.constantFrom(0.5, 1, 4),
      })
      .map(({ bounds: [lowest = 0, highest = 1], ...load }): Load => ({ ...load, lowest, highest })),
    { minLength: 2, maxLength: 12 },
  );
  const HARDLY = 1e-6;
  const bestOf = (use: PoolUse): Float64Array =>
    optimalShares(
      use,
      use.lowest.map(() => 0),
    );
  /** Whether two shares are as good as each other: then either may be chosen. */
  const areAlike = (use: PoolUse, one: ArrayLike<number>, other: ArrayLike<number>): boolean =>
    !isWorse(outlookOf(use, one), outlookOf(use, other)) && !isWorse(outlookOf(use, other), outlookOf(use, one));

  test("more storage cores, and nothing else, never move work away from storage", () => {
    fc.assert(
      fc.property(anyUnlikeLoads, anyCapacity, fc.integer({ min: 1, max: 8 }), (loads, capacity, more) => {
        const use = poolUse(loads, capacity);
        const before = bestOf(use);
        const after = bestOf(poolUse(loads, { ...capacity, storageCores: capacity.storageCores + more }));
        if (areAlike(use, before, after)) return;
        expect(workOf(loads, after).storage).toBeGreaterThanOrEqual(workOf(loads, before).storage - HARDLY);
      }),
      { numRuns: 1_000 },
    );
  });

  test("more of them on a larger machine never move work away from both", () => {
    fc.assert(
      fc.property(anyUnlikeLoads, anyCapacity, fc.integer({ min: 1, max: 8 }), (loads, capacity, more) => {
        const [storageCores, storageMachineCores] = [capacity.storageCores + more, capacity.storageMachineCores + more];
        const use = poolUse(loads, capacity);
        const before = bestOf(use);
        const after = bestOf(poolUse(loads, { ...capacity, storageCores, storageMachineCores }));
        if (areAlike(use, before, after)) return;
        const [then, now] = [workOf(loads, before), workOf(loads, after)];
        expect(Math.max(now.storage - then.storage, now.machine - then.machine)).toBeGreaterThanOrEqual(-HARDLY);
      }),
      { numRuns: 1_000 },
    );
  });

  test("what is beside its data only to spare the machine goes back when that grows", () => {
    const reading: Load = {
      ...walk(500),
      costs: { compute: cost(1_500, 100, 0, 1_000), storage: cost(2_500, 50, 200, 100) },
    };
    const bound: Load = { ...hash(300), costs: { ...hash(300).costs, storage: cost(1_200, 50, 1_000, 0) }, lowest: 1 };
    const capacity = { ...ROOMY, storageCores: 1, storageMachineCores: 1 };
    const [spared = 0] = sharesOf([reading, bound], capacity);
    expect(spared).toBeCloseTo(1 / 7);
    expect(sharesOf([reading, bound], { ...capacity, storageCores: 2, storageMachineCores: 2 })).toEqual([0, 1]);
  });

  test("where the search begins changes nothing about how good the result is", () => {
    fc.assert(
      fc.property(anyLoads, anyCapacity, (loads, capacity) => {
        const use = poolUse(loads, capacity);
        const [one, other] = [0, 1].map((start) =>
          outlookOf(
            use,
            optimalShares(
              use,
              loads.map(() => start),
            ),
          ),
        );
        expect(overloadOf(one!)).toBeCloseTo(overloadOf(other!), 6);
        expect(one!.waitUsPerSecond / other!.waitUsPerSecond).toBeCloseTo(1, 6);
      }),
    );
  });
});
