// The samples of one stretch, as nodes would send them.

import { costOf, lockUsOf, type Demand } from "#runtime/placement/cost-model.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import { HUB_TIMES, sized } from "./traffic.ts";
import type { BySide, TrueFunction, World } from "./world.ts";

/** Calls of a function and side that are drawn one by one; further calls repeat them. */
const DRAWN_MAX = 32;

export interface Drawing {
  readonly one: TrueFunction;
  /** Calls per second, and their share at storage. */
  readonly rate: number;
  readonly share: number;
  readonly queueing: number;
  readonly stretchMs: number;
  /** CPU time ÷ usual CPU time; of that, what samples tell as slow cores. */
  readonly cpuTimes: BySide;
  readonly slowness: BySide;
  /** Measured times ÷ true times. */
  readonly noise: BySide;
  readonly random: () => number;
}

export function tallies(world: World, drawing: Drawing): readonly Tally[] {
  const { one, rate, share, stretchMs, random } = drawing;
  const tally = new SampleTally();
  const repeats = new Map<Side, number>();
  for (const side of ["compute", "storage"] as const) {
    const expected = rate * (stretchMs / 1e3) * (side === "storage" ? share : 1 - share);
    const calls = Math.floor(expected + random());
    const drawn = Math.min(calls, DRAWN_MAX);
    repeats.set(side, drawn === 0 ? 0 : calls / drawn);
    for (let call = 0; call < drawn; call++) {
      const isHub = world.hubEvery > 0 && random() < 1 / world.hubEvery;
      record(tally, world, drawing, side, sized(one.demand, (0.6 + 0.8 * random()) * (isHub ? HUB_TIMES : 1)));
    }
  }
  return tally.take().tallies.map((drawn) => repeated(drawn, repeats.get(drawn.side) ?? 1));
}

function record(tally: SampleTally, world: World, drawing: Drawing, side: Side, demand: Demand): void {
  const { one, queueing, cpuTimes, slowness, noise, random } = drawing;
  const { constants } = world;
  const cpuUs = demand.cpuUs * cpuTimes[side];
  const { latencyUs, terms } = costOf(side, { ...demand, cpuUs }, constants);
  const serviceUs = (latencyUs - terms.call) * (0.9 + 0.2 * random()) * noise[side];
  const queueUs = (serviceUs + terms.call) * (queueing - 1);
  const computedUs = cpuUs * (side === "storage" ? constants.storage.cpuRatio : 1);
  const operations = Math.round(demand.operations);
  const sample = {
    ...NO_USAGE,
    function: one.name,
    version: "1",
    side,
    outcome: "ok",
    wallUs: serviceUs + queueUs,
    queueUs,
    cpuUs: computedUs,
    slowedUs: Math.max(0, computedUs * (1 - 1 / slowness[side])),
    operations,
    rounds: demand.rounds,
    bytesOut: demand.bytes,
    lockUs: side === "storage" ? lockUsOf(constants.storage, { ...demand, operations }) : 0,
  };
  tally.record(sample, serviceUs + queueUs + terms.call);
}

const repeated = (tally: Tally, times: number): Tally => ({
  ...tally,
  sums: Array.from(tally.sums, (value) => value * times),
  elapsed: tally.elapsed.map((value, index) => (index % 2 === 0 ? value : value * times)),
});
