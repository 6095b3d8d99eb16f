// Where do functions run best, and does locus find it: against either side for all, against the rules of ASFP, Kayak and AutoLoc on the
// same sandboxes, and against the best fixed shares that a sweep finds?
//
// Method. Each function of the suite alone (on either side, and where locus puts it), and six mixes of two or three, weighted so that each function, alone on its better side,
// takes the same time. Callers wait for their answers (16 of them; 4 where a call takes a tenth of a second). Redis and its sandbox host
// have half of the cores, a node and the load the other half: with two cores one each. The load is in the node's own process, calls
// its invoker and asks for the side that a rule has chosen, or for none (auto): no HTTP, which would cost each call of all rows the
// same tens of µs on the node's core, and hide what is compared. Rules are asked per call and told what came of it; what each is spared
// stands in its file. AutoLoc's runs twice: with the prices of its authors' network, and with those that the node has measured of this one.
//
// What a row knows when its measuring starts: what it has learnt under its own load and rule. Each has functions of its own, deployed under names that
// nobody has called, so that what was learnt of the same code in other rows, or by the sweep, helps nobody; locus' row comes first in the first turn
// besides. They live for four turns, then the row has others: it is functions in use that are compared, as they are for all but their first seconds, and where a rule ends up
// with them, which may be another plan each time, is seen as often as the row has lives. What a rule knows of no function it keeps: Kayak its one fraction.
// The rows of a function, or of a mix, take turns until they are done, then come those of the next. Before the first measurement of a life a row has a
// lead-in of 2 s, or 4 s with a mix, in which code is compiled wherever its rule sends it; what it came to from 0.8 to 1.3 s stands beside it (earlyPerSecond), and
// bench shift asks how fast a change is followed. Before each other measurement callers are back for a quarter of a second, after pauses of 2 s, or 7 s with
// a mix; a storage side keeps as many isolates as it can, so that those of other rows close none. Of its machine a node knows all that it has measured.
// A window in which calls ran into their deadlines, as where a core is away for seconds, is measured again, twice at most (again).
// Calls of a walk differ by where it begins, and each rule gets to other ones in its time: they are counted by their work (call-works.ts). The better
// side, and the best of the rules, are those with the best median.
//
// After a few repetitions it is undecided of many ratios whether they reach their bound, above all on a machine whose cores are slower for a while and quick again. So there are four minutes
// for more of them, and --extra gives as many on top; but the run ends within twenty minutes, and with --extra so many later: where the other turns take longer than they should, it has as
// much less of that. While a ratio is within its error of its bound, which each life tells once, those whom it compares take further turns, after shorter pauses, each group in an equal part of the time;
// what some leave of theirs is for those that are undecided still, in turn, until it is over.
//
// Prediction: each function is called one at a time on either side; a profile of one side alone predicts what its callers wait for on the other, from admission
// by the node to the answer, and the error is the median over all functions, both ways; that comes first. Beside it stands the same of the time in the sandbox alone. V8 has compiled them by then: before the first time each is called for half a second on either side. Other round trip times than loopback's come from a userland proxy, which
// adds about 0.1 ms of its own: by default only the prediction at 0.2 and 1 ms, with --full everything there, functions alone under every rule, and open loops (at 0.6 of what the best fixed shares do: a rule
// that does less has its queues full, and calls refused and late), of which no ratio is made. That takes some nine hours.
//
// Expectation. Functions that wait for their data gain beside it, functions that compute use the core that is free. A mix of both
// should do on two cores what each alone does on one.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Peer, Repeats } from "./harness/contest.ts";
import { splitLayout } from "./harness/cores.ts";
import { withWorks } from "./placement/call-works.ts";
import {
  alonePeers,
  openPeers,
  predictionPeer,
  ruledPeers,
  weighAlone,
  weighMixes,
  type Bench,
  type Times,
} from "./placement/contestants.ts";
import { MIXES } from "./placement/mixes.ts";
import { placementPlots } from "./placement/plots.ts";
import { networkOf, PLACEMENT_PARTS, placementRatios, PREDICTION_PART } from "./placement/ratios.ts";
import { startSplitStack } from "./placement/split-stack.ts";
import { CALLERS, suiteOver } from "./placement/suite.ts";

/** Twenty minutes, of which half a minute is for a turn that has begun, and for ending. */
const ENDS_WITHIN_MS = 19.5 * 60_000;

interface Effort extends Repeats, Times {
  /** Round trip times at which everything is measured, and not the prediction alone, µs; 0: loopback. */
  readonly gridUs: readonly number[];
  readonly predictedUs: readonly number[];
  /** So many of the functions are measured alone under every rule, as mixes are, and not on the two sides and by locus only. */
  readonly ruledAlone: number;
  readonly isOpenToo: boolean;
}

await runBenchmark<Effort>({
  name: "placement",
  question: "Does locus run functions where they run best, against fixed sides, other rules and an oracle?",
  efforts: {
    smoke: {
      warmUps: 0,
      repetitions: 1,
      alone: { leadInMs: 5, againMs: 5, budgetMs: 20 },
      mixed: { leadInMs: 5, againMs: 5, budgetMs: 20 },
      tryMs: 10,
      // Another network and open loads, as with --full.
      gridUs: [0, 1_000],
      predictedUs: [0, 1_000],
      ruledAlone: 1,
      isOpenToo: true,
    },
    standard: {
      // The sweeps before have warmed up what stays warm.
      warmUps: 0,
      repetitions: 4,
      extraMs: 240_000,
      endsWithinMs: ENDS_WITHIN_MS,
      alone: { leadInMs: 2_000, againMs: 250, budgetMs: 850 },
      mixed: { leadInMs: 4_000, againMs: 250, budgetMs: 750 },
      tryMs: 400,
      gridUs: [0],
      predictedUs: [0, 200, 1_000],
      ruledAlone: 0,
      isOpenToo: false,
    },
    full: {
      warmUps: 0,
      repetitions: 4,
      extraMs: 2_400_000,
      alone: { leadInMs: 5_000, againMs: 1_000, budgetMs: 3_000 },
      mixed: { leadInMs: 5_000, againMs: 2_000, budgetMs: 3_000 },
      tryMs: 1_000,
      gridUs: [0, 200, 1_000],
      predictedUs: [0, 200, 1_000],
      ruledAlone: Infinity,
      isOpenToo: true,
    },
  },
  parts: PLACEMENT_PARTS,
  ratios: ({ gridUs, predictedUs }, isWanted) => placementRatios(gridUs, predictedUs, isWanted),
  layout: splitLayout,
  async prepare({ effort, isWanted, layout, dataDirectory, resources, say }) {
    const peers: Peer[] = [];
    const config: Record<string, unknown> = { callers: CALLERS };
    const measuredUs = isWanted(PREDICTION_PART) ? effort.predictedUs : effort.gridUs;
    for (const us of measuredUs) {
      const { suffix } = networkOf(us);
      say(`starting Redis and a node${suffix}`);
      const { stack, graph } = await startSplitStack({ layout, roundTripUs: us, dataDirectory, say, resources });
      const isMeasured = effort.gridUs.includes(us);
      const deployed = suiteOver(graph);
      await stack.deploy(deployed);
      const suite = isMeasured ? await withWorks(stack, deployed) : deployed;
      const bench: Bench = { stack, suite, times: effort, storageCores: layout.cores.host.length, suffix };
      if (isWanted(PREDICTION_PART)) peers.push(predictionPeer(bench));
      config["graph"] = graph.source;
      if (!isMeasured) continue;
      const functions = suite.filter(({ name }) => isWanted(name));
      const wantedMixes = MIXES.filter(({ name }) => isWanted(name));
      // What no sweep of a mix warms up a sweep of its own does.
      const swept = wantedMixes.length > 0 ? functions.slice(0, effort.ruledAlone) : functions;
      const alone = (await weighAlone(bench, swept, say)).slice(0, effort.ruledAlone);
      const mixes = await weighMixes(bench, wantedMixes, say);
      peers.push(...ruledPeers(bench, alone), ...alonePeers(bench, functions.slice(effort.ruledAlone)));
      peers.push(...ruledPeers(bench, mixes));
      if (effort.isOpenToo) peers.push(...(await openPeers(bench, [...alone, ...mixes])));
      config[`alone${suffix}`] = alone.map(({ name, oracle }) => ({ name, oracle }));
      config[`mixes${suffix}`] = mixes.map(({ name, parts, oracle }) => ({
        name,
        callsPerSecond: Object.fromEntries(parts.map(({ function: name, weight }) => [name, Math.round(weight)])),
        oracle,
      }));
    }
    return { config, peers, plots: (rows) => placementPlots(rows, effort.predictedUs, isWanted) };
  },
});
