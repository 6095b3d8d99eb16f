// A load that exists in numbers only: functions whose true costs are given, callers who wait for each other or do not, pools that
// fill up, and calls that differ. Seeded and in virtual time, so that a run can be repeated. The production decider runs against
// it in `controller.test.ts`.

import { BegunMore } from "#runtime/profile/begun-more.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, termOf, type Tally } from "#runtime/profile/tally.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { callersAfter, callersGrown, type Callers } from "./callers.ts";
import { advance, type ControllerState, type Step } from "./controller.ts";
import { type FunctionState, type Transition } from "./function-state.ts";
import { type Rules } from "./situation.ts";
import { atShare, costOf, lockUsOf, type Cost, type CostConstants, type Demand } from "./cost-model.ts";
import { mixedTimes } from "./mixing.ts";
import { optimalShares, outlookOf } from "./optimal-shares.ts";
import { homeOf } from "./plan.ts";
import { NONE_FIXED, POOLS, poolUse, type Capacity, type Load } from "./pool-use.ts";

/** A function as it really is, at a moment. */
export interface TrueFunction {
  readonly name: string;
  readonly demand: Demand;
  /** Who calls it: so many a second, whatever happens … or its part of what callers who wait for each other do. */
  readonly callsPerSecond: number;
}

export interface World {
  /** All functions, at a time from the start on. */
  readonly functionsAt: (ms: number) => readonly TrueFunction[];
  /** What things really cost. */
  readonly constantsAt: (ms: number) => CostConstants;
  readonly capacityAt: (ms: number) => Omit<Capacity, "callers">;
  /** Of a side's cores the part that others leave it, as where a machine is shared: nobody is told. 1: all of it. */
  readonly leftAt: (ms: number) => Readonly<Record<Side, number>>;
  /** So many calls are in flight at any time, of functions in the ratio of their `callsPerSecond`; null: calls come at those rates. */
  readonly callers: number | null;
  /** One call in so many is a hub with a hundred times the work; 0: none. */
  readonly hubEvery: number;
  /**
   * What all work more beside computing for a function whose calls are half here and half there, as a part of what they do otherwise: what comes
   * together is served together. 1: as much again, which is what benchmarks show. 0: none.
   */
  readonly mixing: number;
  /** The same of what functions compute, which is measured with each call: two sandboxes share caches less well than one. */
  readonly mixingOfComputing: number;
}

export interface Decider {
  readonly rules: ReadonlyMap<string, Rules>;
  /** What the decider believes things cost. */
  readonly constants: CostConstants;
}

/** One stretch of a run. */
interface Moment {
  readonly ms: number;
  /** Calls done in it, of those that came. */
  readonly done: number;
  /** … and how many the best fixed shares of the moment would have done. */
  readonly doneByBest: number;
  /** Where they ran. */
  readonly ran: Readonly<Record<Side, number>>;
  readonly step: Step;
}

export interface Run {
  readonly moments: readonly Moment[];
  readonly transitions: readonly Transition[];
  readonly state: ReadonlyMap<string, FunctionState>;
  readonly profiles: Profiles;
}

const STRETCH_MS = 25;
/** What is drawn by it changes nothing of what a run's own `random` draws. */
const CHANCE_SEED = 1;
/** Calls of a function and side that are drawn one by one in a stretch; more are the same ones several times. */
const DRAWN_MAX = 32;
const HUB_FACTOR = 100;
/** Where calls overflow the cores of the other side are so busy, as a part of how busy their own are: 4 times as many calls are in flight there. */
const OVERFLOWED_PART = 0.8;
/** Utilisation at which calls that come whatever happens wait no longer: callers give up, or queues are bounded. */
const QUEUED_UTILISATION_MAX = 0.98;

/** The best shares of a moment are those of the moment before while the world is the same. */
interface KnownBest {
  readonly key: string;
  readonly shares: readonly number[];
}

export function simulate(world: World, decider: Decider, durationMs: number, random: () => number): Run {
  const profiles = new Profiles();
  let state: ControllerState = new Map();
  let known: KnownBest = { key: "", shares: [] };
  const begunMore = new BegunMore();
  const chance = seededRandom(CHANCE_SEED);
  const moments: Moment[] = [];
  const transitions: Transition[] = [];
  let callers: Callers | undefined;
  for (let ms = 0; ms < durationMs; ms += STRETCH_MS) {
    const functions = world.functionsAt(ms);
    const shares = sharesAt(world, ms, functions, state);
    const now = trafficAt(world, ms, functions, shares);
    const key = JSON.stringify([functions, world.constantsAt(ms), world.capacityAt(ms), world.leftAt(ms)]);
    if (known.key !== key) known = { key, shares: bestShares(world, ms, functions) };
    const best = trafficAt(world, ms, functions, known.shares);
    const drawings = functions.map((one, index) => {
      return { one, rate: now.rates[index]!, share: shares[index]!, queueing: now.queueing, ms, random };
    });
    const ended = drawings.flatMap((drawing) => draw(world, drawing));
    const inFlight = new Map(functions.map(({ name }, index) => [name, Math.round(now.inFlightOf[index]!)]));
    const begun = begunMore.told(ended, (name) => inFlight.get(name) ?? 0, true);
    const tallies = begun.map((tally) => byChance(tally, chance));
    const ran = { compute: 0, storage: 0 };
    for (const { side, sums } of tallies) ran[side] += termOf(sums, "calls");
    const nowMs = ms + STRETCH_MS;
    const shifted = new Set(profiles.fold(tallies, nowMs, STRETCH_MS).shifted);
    const { rules, constants } = decider;
    const capacity = { ...world.capacityAt(ms), callers: now.inFlight };
    callers = callersAfter(callers, { inFlight: now.inFlight, windowMs: STRETCH_MS }, nowMs);
    const grown = callersGrown([callers], nowMs);
    const heard = { nowMs, heardMs: nowMs, profiles, shifted };
    const step = advance(state, { ...heard, constants, capacity, callersGrown: grown, rules });
    state = step.state;
    transitions.push(...step.transitions);
    moments.push({ ms, done: now.done, doneByBest: best.done, ran, step });
  }
  return { moments, transitions, state, profiles };
}

const shareOf = (state: FunctionState | undefined): number => {
  if (state === undefined) return 0;
  const probe = state.probeEvery > 0 ? 1 / state.probeEvery : 0;
  return state.share > 0.5 ? state.share - probe : Math.min(1, state.share + probe);
};

/** With what overflows: of callers who wait for each other nearly all are at the busier side. */
function sharesAt(
  world: World,
  ms: number,
  functions: readonly TrueFunction[],
  state: ReadonlyMap<string, FunctionState>,
): readonly number[] {
  const planned = functions.map(({ name }) => shareOf(state.get(name)));
  const { callers } = world;
  if (callers === null) return planned;
  const overflows = functions.map(({ name }) => {
    const { overflowMin = 0 } = state.get(name) ?? {};
    return overflowMin > 0 && callers > overflowMin;
  });
  if (!overflows.includes(true)) return planned;
  const busyAt = (shares: readonly number[]): { readonly compute: number; readonly storage: number } => {
    const use = poolUse(loadsOf(world, ms, functions, shares), { ...leftOf(world, ms), callers: 1 });
    return outlookOf(use, shares).utilisation;
  };
  const { compute, storage } = busyAt(planned);
  const isFromStorage = storage > compute;
  const home: Side = isFromStorage ? "storage" : "compute";
  const to = isFromStorage ? 0 : 1;
  const leant = (part: number): readonly number[] =>
    planned.map((share, index) =>
      overflows[index]! && homeOf({ share }) === home ? share + part * (to - share) : share,
    );
  let [low, high] = [0, 1];
  for (let at = 0; at < 20; at++) {
    const part = (low + high) / 2;
    const busy = busyAt(leant(part));
    const [own, other] = isFromStorage ? [busy.storage, busy.compute] : [busy.compute, busy.storage];
    if (other < OVERFLOWED_PART * own) low = part;
    else high = part;
  }
  return leant(low);
}

interface Traffic {
  /** Calls per second that are done, by function. */
  readonly rates: readonly number[];
  /** Calls done in a stretch. */
  readonly done: number;
  readonly inFlight: number;
  /** Of each function, on both sides, in the middle (Little, 1961). */
  readonly inFlightOf: readonly number[];
  /** How much longer everything takes than with nobody else. */
  readonly queueing: number;
}

/** Operational analysis (Denning and Buzen, 1978): what callers and pools allow, whichever is less. */
function trafficAt(world: World, ms: number, functions: readonly TrueFunction[], shares: readonly number[]): Traffic {
  const loads = loadsOf(world, ms, functions, shares);
  const capacity = leftOf(world, ms);
  const { utilisation, waitUsPerSecond } = outlookOf(poolUse(loads, { ...capacity, callers: 1 }), shares);
  const busiest = Math.max(...POOLS.filter((pool) => pool !== "callers").map((pool) => utilisation[pool]));
  const unqueued = waitUsPerSecond / 1e6;
  const scale = world.callers === null ? Math.min(1, 1 / busiest) : Math.min(world.callers / unqueued, 1 / busiest);
  // Callers who wait for each other are all in flight, whatever they wait for (Little, 1961).
  const queueing =
    world.callers === null
      ? 1 / (1 - Math.min(QUEUED_UTILISATION_MAX, busiest * scale) ** 4)
      : world.callers / (unqueued * scale);
  const rates = functions.map(({ callsPerSecond }) => callsPerSecond * scale);
  const done = rates.reduce((sum, rate) => sum + rate, 0) * (STRETCH_MS / 1e3);
  const takesUs = (index: number): number =>
    queueing * atShare(loads[index]!.costs, shares[index]!, ({ latencyUs }) => latencyUs);
  const inFlightOf = rates.map((rate, index) => (rate * takesUs(index)) / 1e6);
  return { rates, done, inFlight: world.callers ?? unqueued * scale * queueing, inFlightOf, queueing };
}

/** What others leave of it. */
function leftOf(world: World, ms: number): Omit<Capacity, "callers"> {
  const [capacity, { compute, storage }] = [world.capacityAt(ms), world.leftAt(ms)];
  return {
    ...capacity,
    computeCores: compute * capacity.computeCores,
    storageCores: storage * capacity.storageCores,
    storageMachineCores: storage * capacity.storageMachineCores,
    redisThread: storage * capacity.redisThread,
  };
}

const loadsOf = (world: World, ms: number, functions: readonly TrueFunction[], shares: ArrayLike<number>): Load[] =>
  functions.map(({ demand: usual, callsPerSecond }, index) => {
    const constants = world.constantsAt(ms);
    const whole = sized(usual, 1 + hubPart(world) * (HUB_FACTOR - 1));
    const share = shares[index] ?? 0;
    const more = mixedTimes(world.mixing, share);
    const demand = { ...whole, cpuUs: whole.cpuUs * mixedTimes(world.mixingOfComputing, share) };
    const mixed = (side: Side): Cost => {
      const cost = costOf(side, demand, constants);
      const { cpu } = cost.terms;
      const besides = (us: number, cpuUs: number): number => cpuUs + (us - cpuUs) * more;
      return {
        ...cost,
        computeUs: besides(cost.computeUs, side === "compute" ? cpu : 0),
        storageUs: besides(cost.storageUs, side === "storage" ? cpu : 0),
        redisUs: besides(cost.redisUs, 0),
      };
    };
    return {
      callsPerSecond,
      fixedPerSecond: NONE_FIXED,
      costs: { compute: mixed("compute"), storage: mixed("storage") },
      lowest: 0,
      highest: 1,
      weight: 1,
    };
  });

/** Of the calls. */
const hubPart = ({ hubEvery }: World): number => (hubEvery > 0 ? 1 / hubEvery : 0);

/** Of a call that has so many times the work. */
const sized = ({ operations, rounds, bytes, cpuUs }: Demand, size: number): Demand => ({
  operations: operations * size,
  rounds,
  bytes: bytes * size,
  cpuUs: cpuUs * size,
});

/** In the true world; where mixing costs, or all on one side. */
function bestShares(world: World, ms: number, functions: readonly TrueFunction[]): readonly number[] {
  const best = [...bestUnmixed(world, ms, functions)];
  if (world.mixing === 0 && world.mixingOfComputing === 0) return best;
  const tried = [best];
  for (let corner = 0; corner < 2 ** functions.length; corner++)
    tried.push(functions.map((_, at) => (corner >> at) & 1));
  const done = tried.map((shares) => trafficAt(world, ms, functions, shares).done);
  return tried[done.indexOf(Math.max(...done))]!;
}

/** With as many callers as there are. */
function bestUnmixed(world: World, ms: number, functions: readonly TrueFunction[]): Float64Array {
  const none = functions.map(() => 0);
  const loads = loadsOf(world, ms, functions, none);
  const capacity = { ...leftOf(world, ms), callers: world.callers ?? 1e9 };
  if (world.callers === null) return optimalShares(poolUse(loads, capacity), none);
  // The rates are a ratio: at which of them everything is as busy as it can be is found by halving.
  let shares = new Float64Array(loads.length);
  let [low, high] = [1e-4, 1e4];
  for (let at = 0; at < 40; at++) {
    const scale = Math.sqrt(low * high);
    const scaled = loads.map((load) => ({ ...load, callsPerSecond: load.callsPerSecond * scale }));
    const use = poolUse(scaled, capacity);
    shares = Float64Array.from(optimalShares(use, none));
    const isFull = Math.max(...Object.values(outlookOf(use, shares).utilisation)) > 1;
    if (isFull) high = scale;
    else low = scale;
  }
  return shares;
}

/** Whoever comes at random begins a few more or fewer than end, though as many in the middle: by about the root of their count (Poisson). */
function byChance(tally: Tally, random: () => number): Tally {
  const deviation = Math.sqrt(termOf(tally.sums, "calls"));
  const chance = Math.round(deviation * Math.sqrt(6) * (random() + random() - 1));
  return { ...tally, begunMore: (tally.begunMore ?? 0) + chance };
}

interface Drawing {
  readonly one: TrueFunction;
  readonly rate: number;
  readonly share: number;
  readonly queueing: number;
  readonly ms: number;
  readonly random: () => number;
}

function draw(world: World, { one, rate, share, queueing, ms, random }: Drawing): readonly Tally[] {
  const { name, demand } = one;
  const constants = world.constantsAt(ms);
  const tally = new SampleTally();
  const factors = new Map<Side, number>();
  const moreComputing = mixedTimes(world.mixingOfComputing, share);
  for (const side of ["compute", "storage"] as const) {
    const expected = rate * (STRETCH_MS / 1e3) * (side === "storage" ? share : 1 - share);
    const calls = Math.floor(expected + random());
    const drawn = Math.min(calls, DRAWN_MAX);
    factors.set(side, drawn === 0 ? 0 : calls / drawn);
    for (let call = 0; call < drawn; call++) {
      const isHub = world.hubEvery > 0 && random() < hubPart(world);
      const size = (0.6 + 0.8 * random()) * (isHub ? HUB_FACTOR : 1);
      const whole = sized(demand, size);
      const own = { ...whole, operations: Math.round(whole.operations), cpuUs: whole.cpuUs * moreComputing };
      const { latencyUs, terms } = costOf(side, own, constants);
      const serviceUs = (latencyUs - terms.call) * (0.9 + 0.2 * random());
      // Whatever is waited for, the way there included: callers ÷ calls a second is what a call takes, or a plan that has more
      // calls done would not be seen to.
      const queueUs = (serviceUs + terms.call) * (queueing - 1);
      const sample = {
        ...NO_USAGE,
        function: name,
        version: "1",
        side,
        outcome: "ok",
        wallUs: serviceUs + queueUs,
        queueUs,
        cpuUs: own.cpuUs * (side === "storage" ? constants.storage.cpuRatio : 1),
        operations: own.operations,
        rounds: own.rounds,
        bytesOut: own.bytes,
        lockUs: side === "storage" ? lockUsOf(constants.storage, own) : 0,
      };
      tally.record(sample, serviceUs + queueUs + terms.call);
    }
  }
  // Calls that were not drawn are like those that were.
  return tally.take().tallies.map(({ sums, elapsed, ...rest }) => {
    const factor = factors.get(rest.side) ?? 1;
    return {
      ...rest,
      sums: Array.from(sums, (value) => value * factor),
      elapsed: elapsed.map((value, index) => (index % 2 === 0 ? value : value * factor)),
    };
  });
}
