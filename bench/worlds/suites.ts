// Suites of worlds, drawn from a seed. Each asks for another skill of a decider.

import * as fc from "fast-check";
import type { CostConstants, Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { ONE_CORE_EACH, TWO_MACHINES, worldOf, type BySide, type TrueFunction, type World } from "./world.ts";

export interface Case {
  readonly world: World;
  readonly durationMs: number;
  /** Calls are counted from here on. */
  readonly fromMs: number;
  readonly seed: number;
}

interface Suite {
  /** In one line, for people. */
  readonly about: string;
  /** Worlds of a whole run. */
  readonly worlds: number;
  /** The load is steady: moves and trials after ten seconds are noise. */
  readonly isSteady?: true;
  readonly cases: (count: number, seed: number) => readonly Case[];
}

type Random = () => number;

const between = (random: Random, low: number, high: number): number => low + (high - low) * random();
const logBetween = (random: Random, low: number, high: number): number => low * (high / low) ** random();
const pick = <Value>(random: Random, values: readonly Value[]): Value => values[Math.floor(random() * values.length)]!;

const called = (name: string, demand: Demand, callsPerSecond: number): TrueFunction => ({
  name,
  demand,
  callsPerSecond,
});

function demandOf(random: Random): Demand {
  const rounds = Math.round(logBetween(random, 1, 65));
  return {
    operations: Math.round(rounds * logBetween(random, 1, 10)),
    rounds,
    bytes: Math.round(logBetween(random, 100, 60_000)),
    cpuUs: Math.round(logBetween(random, 10, 5_000)),
  };
}

/** Roughly the calls per second of one core. */
const coreRateOf = ({ cpuUs, rounds }: Demand): number => 1e6 / (60 + cpuUs + 8 * rounds);

/** Each constant is wrong by a factor of its own, log-normal about with this sigma. */
function wrongConstants(random: Random, sigma: number): CostConstants {
  const factor = (): number => {
    const sum = random() + random() + random() + random() + random() + random() - 3;
    return Math.exp((sigma * sum) / Math.SQRT1_2);
  };
  const wrong = (constants: object): object =>
    Object.fromEntries(
      Object.entries(constants).map(([name, value]: [string, number]) => [
        name,
        name === "found" ? value : value * factor(),
      ]),
    );
  return { compute: wrong(DEFAULT_CONSTANTS.compute), storage: wrong(DEFAULT_CONSTANTS.storage) } as CostConstants;
}

/** All constants of a side are wrong by the same factor. */
function scaledConstants(factors: BySide): CostConstants {
  const scaled = (constants: object, factor: number): object =>
    Object.fromEntries(Object.entries(constants).map(([name, value]: [string, number]) => [name, value * factor]));
  const { compute, storage } = DEFAULT_CONSTANTS;
  return {
    compute: { ...scaled(compute, factors.compute), bytesPerUs: compute.bytesPerUs },
    storage: { ...scaled(storage, factors.storage), cpuRatio: storage.cpuRatio },
  } as CostConstants;
}

const ARBITRARY_DEMAND = fc.record({
  operations: fc.integer({ min: 0, max: 300 }),
  rounds: fc.integer({ min: 0, max: 30 }),
  bytes: fc.integer({ min: 0, max: 100_000 }),
  cpuUs: fc.integer({ min: 5, max: 5_000 }),
});
const ARBITRARY_FACTOR = fc.double({ min: 0.7, max: 1.4, noNaN: true });
const ARBITRARY_WORLD = fc.record({
  functions: fc.array(fc.tuple(ARBITRARY_DEMAND, fc.integer({ min: 40, max: 300 })), { minLength: 1, maxLength: 4 }),
  factors: fc.record({ compute: ARBITRARY_FACTOR, storage: ARBITRARY_FACTOR }),
  callers: fc.constantFrom(null, 4, 64),
  hubEvery: fc.constantFrom(0, 0, 50),
  seed: fc.integer(),
});

/** One to four functions, steady; each side's constants are wrong by one factor; some have hubs. */
const steadyCases = (count: number, seed: number, capacities: readonly World["capacity"][], durationMs: number) =>
  fc
    .sample(ARBITRARY_WORLD, { numRuns: count, seed: seed + 1 })
    .map(({ functions, factors, callers, hubEvery, seed: own }, at): Case => {
      const list = functions.map(([demand, rate], index) =>
        called(`f${index}`, { ...demand, operations: Math.max(demand.operations, demand.rounds) }, rate),
      );
      const capacity = capacities[at % capacities.length]!;
      const world = worldOf(list, scaledConstants(factors), { callers, hubEvery, capacity });
      return { world, durationMs, fromMs: 3_000, seed: own };
    });

/** `count` cases, each drawn from a seed of its own. */
const drawn =
  (base: number, durationMs: number, fromMs: number, world: (random: Random, durationMs: number) => World) =>
  (count: number, seed: number): readonly Case[] =>
    Array.from({ length: count }, (_, index) => ({
      world: world(seededRandom(seed + base + index), durationMs),
      durationMs,
      fromMs,
      seed: base + index,
    }));

/** Sixteen callers and a core on each side, as bench `placement` has them. */
const mix = (random: Random, change: Partial<World> = {}): World => {
  const list = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => {
    const demand = demandOf(random);
    return called(`f${index}`, demand, Math.round(coreRateOf(demand) * between(random, 0.5, 2)));
  });
  const constants = wrongConstants(random, 0.35);
  const splitCost = pick(random, [0, 0.3, 1, 2]);
  return worldOf(list, constants, { capacity: ONE_CORE_EACH, callers: 16, splitCost, ...change });
};

/** One to four functions; open or closed loop; a steady load. */
const calm = (random: Random, change: Partial<World> = {}): World => {
  const count = 1 + Math.floor(random() * 4);
  const isClosed = random() < 0.6;
  const list = Array.from({ length: count }, (_, index) => {
    const demand = demandOf(random);
    return called(
      `f${index}`,
      demand,
      Math.round((coreRateOf(demand) * between(random, 0.1, 0.6)) / (isClosed ? 1 : count)),
    );
  });
  const constants = wrongConstants(random, 0.35);
  const splitCost = pick(random, [0.3, 1]);
  return worldOf(list, constants, { capacity: ONE_CORE_EACH, callers: isClosed ? 16 : null, splitCost, ...change });
};

/** A value for each side that changes now and then. */
function changing(
  random: Random,
  durationMs: number,
  stepMs: number,
  next: (random: Random, before: number) => readonly [value: number, forMs: number],
) {
  const steps: BySide[] = [];
  const now = { compute: 1, storage: 1 };
  const until = { compute: 0, storage: 0 };
  for (let ms = 0; ms < durationMs; ms += stepMs) {
    for (const side of ["compute", "storage"] as const) {
      if (ms < until[side]) continue;
      const [value, forMs] = next(random, now[side]);
      now[side] = value;
      until[side] = ms + forMs;
    }
    steps.push({ ...now });
  }
  return (ms: number): BySide => steps[Math.floor(ms / stepMs)]!;
}

export const SUITES = {
  steady: {
    about: "one to four functions, steady, on two machines",
    worlds: 200,
    cases: (count, seed) => steadyCases(count, seed, [TWO_MACHINES], 14_000),
  },
  caps: {
    about: "the same on other machines: shared cores, several nodes",
    worlds: 45,
    cases: (count, seed) =>
      steadyCases(
        count,
        seed,
        [
          { ...ONE_CORE_EACH, sharedCores: 2 },
          { ...TWO_MACHINES, sharedCores: 2 },
          { ...TWO_MACHINES, computeCores: 8, nodes: 2, storageCores: 4, storageMachineCores: 5 },
        ],
        10_000,
      ),
  },
  mixes: {
    about: "sixteen callers on full cores; every constant is wrong by its own factor",
    worlds: 60,
    cases: drawn(1_000, 14_000, 2_500, (random) => mix(random)),
  },
  flips: {
    about: "one function's CPU time changes 8 to 30 times, every 1 to 4 s",
    worlds: 40,
    cases: drawn(2_000, 16_000, 1_000, (random) => {
      const periodMs = pick(random, [1_000, 2_000, 4_000]);
      const others = random() < 0.5 ? [called("g", demandOf(random), Math.round(logBetween(random, 50, 500)))] : [];
      const one = demandOf(random);
      const times = between(random, 8, 30);
      const other = { ...demandOf(random), cpuUs: Math.round(one.cpuUs < 300 ? one.cpuUs * times : one.cpuUs / times) };
      const rate = Math.round(logBetween(random, 100, 800));
      const callers = pick(random, [null, 8, 16]);
      const functionsAt = (ms: number) => [
        called("f", Math.floor(ms / periodMs) % 2 === 0 ? one : other, rate),
        ...others,
      ];
      const splitCost = pick(random, [0.3, 1]);
      return worldOf([], DEFAULT_CONSTANTS, { functionsAt, callers, splitCost, capacity: ONE_CORE_EACH });
    }),
  },
  surges: {
    about: "2 to 8 times as many calls for 2 s",
    worlds: 40,
    cases: drawn(3_000, 14_000, 2_000, (random) => {
      const times = pick(random, [2, 4, 8]);
      const [a, b] = [demandOf(random), demandOf(random)];
      const rateOf = (demand: Demand): number => 1e6 / (80 + demand.cpuUs + 6 * demand.rounds);
      const rateA = Math.round(rateOf(a) * between(random, 0.15, 0.5));
      const rateB = Math.round(rateOf(b) * between(random, 0.1, 0.3));
      const surgeMs = 3_000 + Math.round(random() * 40) * 25;
      const isSurge = (ms: number): boolean => ms % 7_000 >= surgeMs && ms % 7_000 < surgeMs + 2_000;
      const functionsAt = (ms: number) => [called("a", a, isSurge(ms) ? rateA * times : rateA), called("b", b, rateB)];
      const capacity = pick(random, [ONE_CORE_EACH, TWO_MACHINES, { ...TWO_MACHINES, computeCores: 4 }]);
      return worldOf([], DEFAULT_CONSTANTS, { functionsAt, capacity });
    }),
  },
  turns: {
    about: "three functions are called in turn, for 1.1 s each",
    worlds: 25,
    cases: drawn(4_000, 26_000, 6_000, (random) => {
      const list = [0, 1, 2].map((index) => called(`f${index}`, demandOf(random), 100));
      const constants = wrongConstants(random, 0.25);
      const functionsAt = (ms: number) => {
        const turn = Math.floor(ms / 1_250) % 4;
        return turn < 3 && ms % 1_250 < 1_100 ? [list[turn]!] : [];
      };
      const splitCost = pick(random, [0.3, 1, 2]);
      return worldOf([], constants, { functionsAt, capacity: ONE_CORE_EACH, callers: 16, splitCost });
    }),
  },
  spells: {
    about: "others take a side's cores for 25 to 75 ms at a time, in spells of seconds",
    worlds: 25,
    cases: drawn(5_000, 16_000, 3_000, (random, durationMs) => {
      const list = [
        called("f", demandOf(random), 1_000),
        ...(random() < 0.5 ? [called("g", demandOf(random), 300)] : []),
      ];
      const part = changing(random, durationMs, 25, (draw) => [
        0.3 * Math.floor(3 * draw()),
        between(draw, 1_000, 4_000),
      ]);
      let ms = 0;
      const leftAt = changing(random, durationMs, 25, (draw) => {
        const isTaken = draw() < part(Math.min(ms, durationMs - 25)).compute / 2.5;
        ms += 12.5;
        return isTaken ? [0.15, 25 * (1 + Math.floor(3 * draw()))] : [1, 25];
      });
      const splitCost = pick(random, [0.3, 1]);
      return worldOf(list, DEFAULT_CONSTANTS, { leftAt, capacity: ONE_CORE_EACH, callers: 16, splitCost });
    }),
  },
  cold: {
    about: "code takes 2 to 20 times as long until it is compiled",
    worlds: 30,
    cases: drawn(6_000, 14_000, 0, (random) => mix(random, { coldTimes: logBetween(random, 2, 20) })),
  },
  drift: {
    about: "cores become up to a third slower for 10 to 30 s; samples say so",
    worlds: 12,
    isSteady: true,
    cases: drawn(7_000, 60_000, 3_000, (random, durationMs) =>
      calm(random, {
        slownessAt: changing(random, durationMs, 500, (draw) => [
          between(draw, 1, 4 / 3),
          between(draw, 10_000, 30_000),
        ]),
      }),
    ),
  },
  neighbour: {
    about: "another process takes half of a side's CPU for 1 to 10 s by turns",
    worlds: 20,
    isSteady: true,
    cases: drawn(8_000, 60_000, 3_000, (random, durationMs) =>
      calm(random, {
        leftAt: changing(random, durationMs, 25, (draw, before) => [
          before === 1 && draw() < 0.7 ? 0.5 : 1,
          between(draw, 1_000, 10_000),
        ]),
      }),
    ),
  },
  noise: {
    about: "a steady load; measured times of a side vary by 15 %",
    worlds: 20,
    isSteady: true,
    cases: drawn(9_000, 60_000, 3_000, (random) => calm(random, { noise: 0.15 })),
  },
} satisfies Readonly<Record<string, Suite>> as Readonly<Record<string, Suite>>;
