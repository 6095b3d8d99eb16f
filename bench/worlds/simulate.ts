// Plays one world with one decider.

import { callersAfter, callersGrown, type Callers } from "#runtime/placement/callers.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { Decider, Decision } from "./decider.ts";
import { tallies } from "./samples.ts";
import { bestShares, sharesRun, sumOf, trafficAt, USUAL_TIMES, type Moment } from "./traffic.ts";
import { COLD_AFTER_MS, COLD_CALLS, type BySide, type World } from "./world.ts";

const STRETCH_MS = 25;
/** A move back within this time is a reversal. */
const REVERSAL_MS = 10_000;

/** One stretch. */
export interface Stretch {
  readonly ms: number;
  readonly done: number;
  /** Calls that the best fixed shares of the moment would have done. */
  readonly doneByBest: number;
  /** Of `done`, calls in trials. */
  readonly tried: number;
  readonly moves: number;
  readonly reversals: number;
}

export interface Played {
  readonly stretches: readonly Stretch[];
  readonly decision: Decision;
}

export function simulate(world: World, decide: Decider, durationMs: number, seed: number): Played {
  const random = seededRandom(seed);
  // Draws of its own, so that one decider's calls do not change another one's noise.
  const noise = seededRandom(2);
  const profiles = new Profiles();
  const code = new CompiledCode(world.coldTimes);
  const moves = new Reversals();
  const rules = new Map<string, Rules>();
  const stretches: Stretch[] = [];
  let decision: Decision = { placements: new Map(), moved: [], tried: [] };
  let callers: Callers | undefined;
  let best: { readonly key: string; readonly shares: readonly number[] } = { key: "", shares: [] };
  for (let ms = 0; ms < durationMs; ms += STRETCH_MS) {
    const functions = world.functionsAt(ms);
    for (const { name } of functions) rules.set(name, FREE_RULES);
    const slowness = world.slownessAt(ms);
    const cpuTimes = (name: string): BySide => timesBoth(code.times(name, ms), slowness);
    const moment: Moment = { world, ms, functions, cpuTimes };
    const shares = sharesRun(
      moment,
      functions.map(({ name }) => decision.placements.get(name)),
    );
    const now = trafficAt(moment, shares);
    const warm: Moment = { ...moment, cpuTimes: (name) => timesBoth(USUAL_TIMES(name), slowness) };
    const key = JSON.stringify([functions, world.leftAt(ms), slowness]);
    if (best.key !== key) best = { key, shares: bestShares(warm) };
    const measured = { compute: noiseOf(world, noise), storage: noiseOf(world, noise) };
    const ended = functions.flatMap((one, index) => {
      const [rate, share] = [now.rates[index]!, shares[index]!];
      const drawing = {
        one,
        rate,
        share,
        queueing: now.queueing,
        stretchMs: STRETCH_MS,
        slowness,
        noise: measured,
        random,
      };
      const drawn = tallies(world, { ...drawing, cpuTimes: cpuTimes(one.name) });
      code.ran(one.name, (rate * STRETCH_MS) / 1e3, share, ms);
      return drawn;
    });
    const nowMs = ms + STRETCH_MS;
    const shifted = profiles.fold(ended, nowMs, STRETCH_MS);
    callers = callersAfter(callers, { inFlight: now.inFlight, windowMs: STRETCH_MS }, nowMs);
    const tried = sumOf(functions.map(({ name }, index) => (decision.tried.includes(name) ? now.rates[index]! : 0)));
    decision = decide({
      nowMs,
      heardMs: nowMs,
      profiles,
      shifted: new Set(shifted),
      constants: DEFAULT_CONSTANTS,
      capacity: { ...world.capacity, callers: now.inFlight },
      callersGrown: callersGrown([callers], nowMs),
      rules,
    });
    stretches.push({
      ms,
      done: sumOf(now.rates),
      doneByBest: sumOf(trafficAt(warm, best.shares).rates),
      tried,
      moves: decision.moved.length,
      reversals: moves.reversals(decision, nowMs),
    });
  }
  return { stretches, decision };
}

const timesBoth = (one: BySide, other: BySide): BySide => ({
  compute: one.compute * other.compute,
  storage: one.storage * other.storage,
});

/** Log-normal; the sum of twelve uniform numbers less six is nearly normal. */
const noiseOf = ({ noise }: World, random: () => number): number =>
  noise === 0 ? 1 : Math.exp(noise * (sumOf(Array.from({ length: 12 }, random)) - 6));

/** How far each function's code is compiled on each side. */
class CompiledCode {
  readonly #coldTimes: number;
  readonly #ran = new Map<string, { calls: number; lastMs: number }>();

  constructor(coldTimes: number) {
    this.#coldTimes = coldTimes;
  }

  times(name: string, ms: number): BySide {
    const of = (side: keyof BySide): number => {
      const ran = this.#ran.get(`${name} ${side}`);
      const calls = ran === undefined || ms - ran.lastMs > COLD_AFTER_MS ? 0 : ran.calls;
      return 1 + (this.#coldTimes - 1) * Math.max(0, 1 - calls / COLD_CALLS);
    };
    return { compute: of("compute"), storage: of("storage") };
  }

  ran(name: string, calls: number, share: number, ms: number): void {
    for (const [side, part] of [
      ["compute", 1 - share],
      ["storage", share],
    ] as const) {
      if (part * calls <= 0) continue;
      const before = this.#ran.get(`${name} ${side}`);
      const known = before === undefined || ms - before.lastMs > COLD_AFTER_MS ? 0 : before.calls;
      this.#ran.set(`${name} ${side}`, { calls: known + part * calls, lastMs: ms });
    }
  }
}

class Reversals {
  readonly #last = new Map<string, { readonly share: number; readonly up: boolean | null; readonly ms: number }>();

  reversals({ placements, moved }: Decision, nowMs: number): number {
    let count = 0;
    for (const name of moved) {
      const share = placements.get(name)?.share ?? 0;
      const { share: before, up, ms } = this.#last.get(name) ?? { share: 0, up: null, ms: -Infinity };
      const isUp = share > before;
      if (up !== null && up !== isUp && nowMs - ms <= REVERSAL_MS) count += 1;
      this.#last.set(name, { share, up: isUp, ms: nowMs });
    }
    return count;
  }
}
