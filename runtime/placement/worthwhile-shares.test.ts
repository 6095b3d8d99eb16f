import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RATE_SECONDS } from "#runtime/profile/coming-calls.ts";
import { costOf, type Cost, type Demand } from "./cost-model.ts";
import { NO_PACES } from "./function-costs.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { excessOf, NO_MIXING } from "./mixing.ts";
import { COMFORTABLE_UTILISATION, optimalShares, outlookOf, type Outlook } from "./optimal-shares.ts";
import { NONE_FIXED, poolUse, type Capacity } from "./pool-use.ts";
import { worthwhileShares, type Candidate } from "./worthwhile-shares.ts";

const CAPACITY = {
  computeCores: 1,
  storageCores: 1,
  redisThread: 1,
  storageMachineCores: 2,
  sharedCores: Infinity,
  nodes: 1,
  callers: 64,
};

const side = (cost: Cost) => ({
  cost,
  predictedUs: null,
  measuredUs: null,
  measuredCallUs: null,
  error: 0.01,
  calls: 500,
  lastMs: 0,
});

/** It computes, and is at compute. */
const computing = (callsPerSecond: number, meanError: number): Candidate =>
  candidate({ operations: 1, rounds: 1, bytes: 100, cpuUs: 1_000 }, callsPerSecond, meanError);

/** It is at compute. */
function candidate(
  demand: Demand,
  callsPerSecond: number,
  meanError: number,
  constants = DEFAULT_CONSTANTS,
): Candidate {
  const cost = {
    compute: costOf("compute", demand, constants),
    storage: costOf("storage", demand, constants),
  };
  const sides = { compute: side(cost.compute), storage: side(cost.storage) };
  const paces = NO_PACES;
  return {
    share: 0,
    costs: { demand, typical: demand, meanError, sides, paces },
    load: { callsPerSecond, fixedPerSecond: NONE_FIXED, costs: cost, lowest: 0, highest: 1, weight: 1 },
    mixingExcess: excessOf(NO_MIXING, cost, 0),
    rateSeconds: RATE_SECONDS,
    hasMovedLately: false,
    isWarm: { compute: true, storage: true },
    isNewSurge: false,
  };
}

describe("where both sides would serve one function", () => {
  /** Of which storage does all, and has a little too much to do. */
  const busyAtStorage = (cpuUs: number, rounds: number, callsPerSecond: number): number => {
    const demand = { operations: rounds, rounds, bytes: 100, cpuUs };
    const one = candidate(demand, callsPerSecond, 0.01);
    return worthwhileShares([{ ...one, share: 1 }], CAPACITY).choices[0]!.share;
  };

  test("what computes is split for what it gains", () => {
    expect(busyAtStorage(1_000, 1, 830)).toBeLessThan(1);
    expect(busyAtStorage(1_000, 1, 830)).toBeGreaterThan(0);
  });

  test("what goes to and fro is not, unless it gains more than it makes both work", () => {
    expect(busyAtStorage(20, 64, 3_200)).toBe(1);
    expect(busyAtStorage(20, 64, 8_000)).toBeLessThan(1);
  });

  test("what computes is split where a side could do it all for now, and not what would come then", () => {
    // 16 callers who wait for a full core: thrice as dear at storage, which has five.
    const demand = { operations: 0, rounds: 0, bytes: 0, cpuUs: 1_000 };
    const constants = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, cpuRatio: 3 } };
    const capacity = { ...CAPACITY, storageCores: 5, storageMachineCores: 6, callers: 16 };
    const one = candidate(demand, 980, 0.01, constants);
    const { share } = worthwhileShares([one], capacity).choices[0]!;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(1);
  });

  test("in a new surge it leaves at once", () => {
    const demand = { operations: 64, rounds: 64, bytes: 100, cpuUs: 20 };
    const one = { ...candidate(demand, 3_200, 0.01), share: 1, isNewSurge: true };
    expect(worthwhileShares([one], CAPACITY).choices[0]!.share).toBeLessThan(1);
  });
});

describe("where a core that both sides share is full, and no plan is much better", () => {
  const constants = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, cpuRatio: 0.93 } };
  /** At compute, where most of a call's time is waiting, and a fiftieth less work at storage. */
  const waiting = (callsPerSecond: number): Candidate => {
    const one = candidate({ operations: 4, rounds: 4, bytes: 100, cpuUs: 500 }, callsPerSecond, 0.01, constants);
    const { compute } = one.costs.sides;
    const slow = { ...compute, cost: { ...compute.cost, latencyUs: 10 * compute.cost.latencyUs } };
    const load = { ...one.load, costs: { ...one.load.costs, compute: slow.cost } };
    return { ...one, load, costs: { ...one.costs, sides: { ...one.costs.sides, compute: slow } } };
  };
  const sharesOf = (...callsPerSecond: readonly number[]): readonly number[] =>
    worthwhileShares(callsPerSecond.map(waiting), { ...CAPACITY, sharedCores: 1 }).choices.map(({ share }) => share);

  test("what fills it does not move for what it would wait elsewhere, since its queue would go with it", () => {
    expect(sharesOf(2_000)).toEqual([0]);
  });

  test("what does little of that does, as far as it is little together", () => {
    expect(sharesOf(1_900, 100)).toEqual([0, 1]);
    expect(sharesOf(1_400, 120, 120, 120, 120, 120)).toEqual([0, 1, 0, 0, 0, 0]);
  });

  test("all do where there is room", () => {
    expect(sharesOf(500)).toEqual([1]);
  });
});

describe("where compute is too busy", () => {
  const movedOf = (callsPerSecond: number, meanError: number): number => {
    const { choices } = worthwhileShares(
      [computing(callsPerSecond, meanError), computing(callsPerSecond, meanError)],
      CAPACITY,
    );
    return choices.filter(({ share }) => share > 0).length;
  };

  test("functions whose calls are known move", () => {
    expect(movedOf(450, 0.01)).toBeGreaterThan(0);
  });

  test("those that do little of the work stay, but not in a pool that is little of all", () => {
    // All at storage: two that fill more than eight cores, of which the one with reads is better there, and one of a fifth of a core, which goes first.
    const computes = (cpuUs: number, rounds: number, perSecond: number): Candidate => ({
      ...candidate({ operations: 0, rounds, bytes: 0, cpuUs }, perSecond, 0.01),
      share: 1,
    });
    const all = [computes(1_000, 1, 9_000), computes(8_000, 10, 500), computes(1_000, 0, 230)];
    const sharesWith = (storageCores: number) => {
      const capacity = {
        ...CAPACITY,
        computeCores: 8,
        storageCores,
        storageMachineCores: storageCores + 1,
        callers: 1e6,
      };
      const use = poolUse(
        all.map(({ load }) => load),
        capacity,
      );
      return { best: optimalShares(use, [1, 1, 1])[2], chosen: worthwhileShares(all, capacity).choices[2]!.share };
    };
    expect([1, 8].map(sharesWith)).toEqual([
      { best: 0, chosen: 0 },
      { best: 0, chosen: 1 },
    ]);
  });

  test("all move where those that do much of the work gain no twentieth alone", () => {
    const bounded: Candidate = { ...computing(950, 0.001), share: 0.01 };
    const much = { ...bounded, load: { ...bounded.load, lowest: 0.01, highest: 0.03 } };
    const all = [much, ...Array.from({ length: 4 }, () => computing(10, 0.001))];
    expect(worthwhileShares(all, CAPACITY).choices.map(({ share }) => share)).toEqual([0.03, 1, 1, 1, 1]);
  });

  test("those of which nobody knows what they take on average stay, where that decides what is gained", () => {
    expect(movedOf(450, 0.5)).toBe(0);
  });

  test("they move where the gain is beyond doubt", () => {
    expect(movedOf(4_000, 0.05)).toBeGreaterThan(0);
  });

  test("they move for a twentieth, and again so soon only for more", () => {
    const isMoved = (callsPerSecond: number, hasMovedLately: boolean): boolean => {
      const all = [450, callsPerSecond].map((perSecond) => ({ ...computing(perSecond, 0.001), hasMovedLately }));
      return worthwhileShares(all, CAPACITY).choices.some(({ share }) => share > 0);
    };
    expect([300, 340, 400].map((callsPerSecond) => isMoved(callsPerSecond, false))).toEqual([false, true, true]);
    expect([300, 340, 400].map((callsPerSecond) => isMoved(callsPerSecond, true))).toEqual([false, false, true]);
  });

  test("one that does little of the work and has moved lately keeps nobody from moving for a twentieth", () => {
    const isMoved = (littlePerSecond: number, hasMovedLately: boolean): boolean => {
      const little = { ...computing(littlePerSecond, 0.001), hasMovedLately };
      const all = [...[450, 340 - littlePerSecond].map((perSecond) => computing(perSecond, 0.001)), little];
      return worthwhileShares(all, CAPACITY).choices.some(({ share }) => share > 0);
    };
    expect([isMoved(4, true), isMoved(4, false)]).toEqual([true, true]);
  });
});

test("where no pool is too busy those that may move do, however many others may not before they have", () => {
  const constants = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, cpuRatio: 1.5 } };
  const capacity = { ...CAPACITY, computeCores: 4, callers: 6 };
  const demands = {
    walk: { operations: 64, rounds: 64, bytes: 100, cpuUs: 20 },
    hash: { operations: 0, rounds: 0, bytes: 0, cpuUs: 1_000 },
  };
  const busyAtStorage = (demand: Demand, busy: number): Candidate =>
    candidate(demand, (1e6 * busy) / costOf("storage", demand, constants).storageUs, 0.001, constants);
  const walks = Array.from({ length: 80 }, () => busyAtStorage(demands.walk, 0.005));
  const all = [...walks, { ...busyAtStorage(demands.hash, 0.747), share: 1 }];
  const { choices } = worthwhileShares(all, capacity);
  expect(choices.at(-1)!.share).toBe(0);
  expect(choices.slice(0, 80).map(({ share }) => share)).not.toContain(1);
});

test("those that move one by one do not wait for others that visits have to go to first", () => {
  const walk = candidate({ operations: 64, rounds: 64, bytes: 100, cpuUs: 20 }, 1, 0.001);
  const cold = { ...walk, isWarm: { compute: true, storage: false } };
  const { choices } = worthwhileShares([...Array.from({ length: 80 }, () => cold), walk], CAPACITY);
  expect(choices.at(-1)!.share).toBe(1);
});

describe("of two functions that have a core each", () => {
  /** What computes has `busy` of its core, what walks 0.75 of the other one. Shares after a step, of the former. */
  const shareOfComputing = (busy: number, hasMovedLately: boolean): number => {
    const walk = { operations: 64, rounds: 64, bytes: 2_000, cpuUs: 300 };
    const walks = candidate(walk, 1, 0.01);
    const walkUs = walks.load.costs.storage.storageUs;
    const hashes = candidate({ operations: 1, rounds: 1, bytes: 100, cpuUs: 3_000 }, 1, 0.01);
    const hashUs = hashes.load.costs.compute.computeUs;
    const called = (one: Candidate, share: number, perSecond: number): Candidate => ({
      ...one,
      share,
      hasMovedLately,
      load: { ...one.load, callsPerSecond: perSecond },
    });
    const all = [called(hashes, 0, (1e6 * busy) / hashUs), called(walks, 1, (1e6 * 0.75) / walkUs)];
    return worthwhileShares(all, CAPACITY).choices[0]!.share;
  };

  test("some of the calls of one go to the other core when it has moved last long ago, for what that relieves by now", () => {
    expect(shareOfComputing(0.87, false)).toBeGreaterThan(0);
  });

  test("they do not again so soon, while as many calls may have come by chance", () => {
    expect(shareOfComputing(0.87, true)).toBe(0);
    // By so much it is no chance.
    expect(shareOfComputing(1.6, true)).toBeGreaterThan(0);
  });
});

describe("of any load", () => {
  const anyCandidates = fc.array(
    fc.record({
      demand: fc.record({
        operations: fc.integer({ min: 0, max: 500 }),
        rounds: fc.integer({ min: 0, max: 64 }),
        bytes: fc.integer({ min: 0, max: 100_000 }),
        cpuUs: fc.integer({ min: 1, max: 20_000 }),
      }),
      callsPerSecond: fc.integer({ min: 1, max: 2_000 }),
      hasMovedLately: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  );
  const anyCapacity = fc.record({
    computeCores: fc.integer({ min: 1, max: 8 }),
    storageCores: fc.integer({ min: 1, max: 4 }),
    redisThread: fc.constant(1),
    storageMachineCores: fc.integer({ min: 2, max: 5 }),
    sharedCores: fc.constantFrom(Infinity, 2),
    nodes: fc.constant(1),
    callers: fc.constantFrom(4, 64, 1e6),
  });
  const startingAt = (
    share: number,
    some: readonly { demand: Demand; callsPerSecond: number; hasMovedLately: boolean }[],
  ) =>
    some.map(({ demand, callsPerSecond, hasMovedLately }) => ({
      ...candidate(demand, callsPerSecond, 0.01),
      share,
      hasMovedLately,
    }));
  const outlookAt = (all: readonly Candidate[], capacity: Capacity): Outlook =>
    outlookOf(
      poolUse(
        all.map(({ load }) => load),
        capacity,
      ),
      all.map(({ share }) => share),
    );
  const after = (all: readonly Candidate[], capacity: Capacity): readonly Candidate[] =>
    worthwhileShares(all, capacity).choices.map(({ share }, index) => ({ ...all[index]!, share }));
  /** Step by step, until nothing moves any more; null: it does after twenty. */
  const rested = (all: readonly Candidate[], capacity: Capacity): readonly Candidate[] | null => {
    let now = all;
    for (let step = 0; step < 20; step++) {
      const next = after(now, capacity);
      if (next.every(({ share }, index) => share === now[index]!.share)) return now;
      now = next;
    }
    return null;
  };

  test.each([0, 1])(
    "no step from %i makes what is busiest busier, nor, where nothing is, callers wait longer",
    (share) => {
      fc.assert(
        fc.property(anyCandidates, anyCapacity, (some, capacity) => {
          const all = startingAt(share, some).map((one) => ({ ...one, mixingExcess: 0 }));
          const [before, then] = [outlookAt(all, capacity), outlookAt(after(all, capacity), capacity)];
          expect(then.overload).toBeLessThanOrEqual(before.overload + 1e-6);
          const isRoomy = before.overload === 0;
          expect(isRoomy && then.waitUsPerSecond > before.waitUsPerSecond * (1 + 1e-6)).toBe(false);
        }),
        { numRuns: 1_000 },
      );
    },
  );

  /** What a move has to promise, and what shares below a tenth come to that are none: of 60,000 runs the worst comes to 1.133. */
  const SHORT_MAX = 1.2;

  test.each([0, 1])(
    "from %i it comes to rest, and does about as well as the better of both sides for all, or better",
    (share) => {
      fc.assert(
        fc.property(anyCandidates, anyCapacity, (some, machines) => {
          // No plan needs more callers than there are: for loads that come whatever they take there are enough.
          const capacity = { ...machines, callers: 1e6 };
          const busyOf = (all: readonly Candidate[]): number =>
            COMFORTABLE_UTILISATION + outlookAt(all, capacity).overload;
          const resting = rested(startingAt(share, some), capacity);
          expect(resting).not.toBeNull();
          const better = Math.min(busyOf(startingAt(0, some)), busyOf(startingAt(1, some)));
          expect(busyOf(resting!)).toBeLessThan(SHORT_MAX * better);
        }),
        { numRuns: 1_000 },
      );
    },
  );
});
