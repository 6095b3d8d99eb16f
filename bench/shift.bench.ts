// How soon does locus follow a load that changes, and what does it lose meanwhile?
//
// Method. As in `placement`: Redis with its host on half of the cores, a node with its load on the other half, callers who wait for their
// answers. `bimodal` is Kayak's load: a chain of 64 reads whose computing flips between nothing and 4 ms, every 2 s. `drift`: walks and
// password hashes whose weights drift, and a write. `crowd`: 2 callers, then 48, then 2. `neighbour`: a client of Redis that
// keeps its thread busy for a while. `slowed`: a process that computes on the storage side's cores for a while. Each runs under
// locus, and under the best fixed shares of each stage, which a sweep has found and which change with the stage at once. Regret is what is
// missing of the latter's calls.
//
// A flip is followed when calls that began after it end at 85 % of the rate that the best fixed shares come to in such a stage, for three
// windows of 50 calls and no less than 100 ms; until the next flip where that does not happen. Where its own second half came to less though calls went where
// the best shares have them (to within 0.25), as on a machine that others share, that is what counts, down to three quarters of the best; by the best alone it is
// `secondsToAdaptStrictly`. `secondsToAdaptFloor` is what the best fixed shares themselves take by that count, which change with the load at once: the
// machine's doing, and that of code that is not warm. Where calls go after a flip no speed of a machine changes: `secondsToPlace` is until they go where they go in the second half of
// the stage, to within 0.15 of them, for three windows of 100 ms; all of it where that is not where the best shares have them.
//
// Each call of `bimodal`, and those of `drift` that write, count themselves by number in their last step. One that was answered
// and is not counted was lost, one that is counted twice was doubled; the one does not make up for the other.
//
// What a run knows when it starts: nothing of its functions, which are deployed anew for each, locus first, and in its first stage, which leads in,
// the same for all: the load as it is before anything changes. So the first flip of `bimodal` shows locus calls that it has not seen; those
// after it show it again what it has seen since. The best fixed shares are the sweep's. Kayak's percentage goes on from its last run.
//
// Expectation. A controller that hears of its nodes 40 times a second needs a few windows to be sure, and one to move.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Comparison, Peer, Repeats } from "./harness/contest.ts";
import { splitLayout } from "./harness/cores.ts";
import { medianOf } from "./harness/statistics.ts";
import { startSplitStack } from "./placement/split-stack.ts";
import { coreBurner, noisyNeighbour } from "./shift/disturbances.ts";
import {
  ADAPT_ROW,
  ADAPT_WORST_ROW,
  doneRow,
  DOUBLED_ROW,
  FAILED_ROW,
  findAllBestShares,
  FLOOR_ROW,
  FLOOR_WORST_ROW,
  LOST_ROW,
  PLACE_ROW,
  PLACE_WORST_ROW,
  ScenarioPeers,
  STRICT_ROW,
  STRICT_WORST_ROW,
  type Driver,
} from "./shift/peers.ts";
import { scenariosOver, shiftingWorkloads, type Scale } from "./shift/scenarios.ts";

interface Effort extends Repeats, Scale {}

const regretOf =
  (scenario: string, driver: Driver = "auto") =>
  (value: (row: string) => number): number =>
    1 - value(doneRow(scenario, driver)) / value(doneRow(scenario, "best fixed shares"));

/** The median and the slowest of a repetition's changes, of these runs. */
const timed = (
  [row, worstRow]: readonly [string, string],
  tellsOf: readonly string[],
  secondsOf: () => readonly number[],
): readonly Peer[] => {
  const peer = (name: string, of: (seconds: readonly number[]) => number): Peer => ({
    name,
    unit: "s",
    canBeNothing: true,
    tellsOf,
    run: async () => ({ value: of(secondsOf()) }),
  });
  return [peer(row, medianOf), peer(worstRow, (seconds) => Math.max(...seconds))];
};

/** What it comes to is held against the best fixed shares. */
const runsToldOf = ({ name }: ScenarioPeers, driver: Driver): readonly string[] =>
  (["best fixed shares", driver] as const).map((one) => doneRow(name, one));

const adapted = (scenario: ScenarioPeers, driver: Driver, rows: readonly [string, string], isStrict = false) =>
  timed(rows, runsToldOf(scenario, driver), () => scenario.adaptationsS(driver, isStrict));

const secondsIn = (row: string): Comparison => ({
  better: "less",
  canBeNothing: true,
  of: (value) => value(row),
});
const worstSecondsIn = (row: string): Comparison => ({ ...secondsIn(row), counts: "worst" });

await runBenchmark<Effort>({
  name: "shift",
  question: "How soon does locus follow a load that changes, and what does it lose meanwhile?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1, flipMs: 300, stageMs: 300, flips: 2, tryMs: 50 },
    standard: { warmUps: 0, repetitions: 5, flipMs: 2_000, stageMs: 1_000, flips: 4, tryMs: 400 },
    full: { warmUps: 1, repetitions: 7, flipMs: 2_000, stageMs: 2_000, flips: 14, tryMs: 1_000 },
  },
  ratios: {
    secondsToAdapt: { ...secondsIn(ADAPT_ROW), must: 0.5, aim: 0.1 },
    secondsToAdaptWorst: { ...worstSecondsIn(ADAPT_WORST_ROW), must: 0.8, aim: 0.3 },
    regret: { better: "less", must: 0.12, aim: 0.03, canBeNothing: true, of: regretOf("bimodal") },
    failed: {
      better: "less",
      must: 0,
      aim: 0,
      canBeNothing: true,
      counts: "worst",
      of: (value) => value(FAILED_ROW) + value(LOST_ROW) + value(DOUBLED_ROW),
    },
    secondsToAdaptFloor: secondsIn(FLOOR_ROW),
    secondsToAdaptWorstFloor: worstSecondsIn(FLOOR_WORST_ROW),
    secondsToAdaptStrictly: secondsIn(STRICT_ROW),
    secondsToAdaptWorstStrictly: worstSecondsIn(STRICT_WORST_ROW),
    secondsToPlace: secondsIn(PLACE_ROW),
    secondsToPlaceWorst: worstSecondsIn(PLACE_WORST_ROW),
    regretKayak: { better: "less", canBeNothing: true, of: regretOf("bimodal", "Kayak") },
    regretDrift: { better: "less", canBeNothing: true, of: regretOf("drift") },
    regretCrowd: { better: "less", canBeNothing: true, of: regretOf("crowd") },
    regretNeighbour: { better: "less", canBeNothing: true, of: regretOf("neighbour") },
    regretSlowed: { better: "less", canBeNothing: true, of: regretOf("slowed") },
  },
  layout: splitLayout,
  async prepare({ effort, layout, dataDirectory, resources, say }) {
    say("starting Redis and a node");
    const { stack, graph } = await startSplitStack({ layout, roundTripUs: 0, dataDirectory, say, resources });
    const workloads = shiftingWorkloads(graph);
    const { light, walk, hash, count } = workloads;
    await stack.deploy([light, walk, hash, count]);
    const disturbances = { neighbour: noisyNeighbour(stack.redis), burner: coreBurner(layout, resources) };
    const { bimodal, others } = await scenariosOver(stack, workloads, disturbances, effort);
    const shares: Record<string, unknown> = {};
    const peersOf = async (scenario: typeof bimodal): Promise<ScenarioPeers> => {
      say(`${scenario.name}: looking for the best fixed shares of its stages`);
      const best = await findAllBestShares(stack, scenario, effort.tryMs);
      shares[scenario.name] = Object.fromEntries(best);
      return new ScenarioPeers(stack, scenario, best);
    };
    const flips = await peersOf(bimodal);
    const rest = await Array.fromAsync(others, peersOf);
    const callsRow = (name: string, of: (scenario: ScenarioPeers) => number): Peer => ({
      name,
      unit: "calls",
      canBeNothing: true,
      tellsOf: [flips, ...rest].map(({ name: scenario }) => doneRow(scenario, "auto")),
      run: async () => ({ value: [flips, ...rest].reduce((sum, scenario) => sum + of(scenario), 0) }),
    });
    return {
      config: { graph: graph.source, bestShares: shares },
      peers: [
        flips.peer("auto"),
        flips.peer("best fixed shares"),
        flips.peer("Kayak"),
        ...adapted(flips, "auto", [ADAPT_ROW, ADAPT_WORST_ROW]),
        ...adapted(flips, "best fixed shares", [FLOOR_ROW, FLOOR_WORST_ROW]),
        ...adapted(flips, "auto", [STRICT_ROW, STRICT_WORST_ROW], true),
        ...timed([PLACE_ROW, PLACE_WORST_ROW], runsToldOf(flips, "auto"), () => flips.placementsS("auto")),
        ...rest.flatMap((scenario) => [scenario.peer("auto"), scenario.peer("best fixed shares")]),
        callsRow(FAILED_ROW, (scenario) => scenario.failed("auto")),
        callsRow(LOST_ROW, (scenario) => scenario.account("auto").lost),
        callsRow(DOUBLED_ROW, (scenario) => scenario.account("auto").doubled),
      ],
      plots: () => ({
        [flips.name]: flips.plot(["best fixed shares", "auto", "Kayak"]),
        ...Object.fromEntries(rest.map((scenario) => [scenario.name, scenario.plot(["best fixed shares", "auto"])])),
      }),
    };
  },
});
