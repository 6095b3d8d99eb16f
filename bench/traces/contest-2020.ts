// The 2020 load through our own policy and through the reference that its score is relative to: one container for each call in flight, as
// configured, none released of its own accord, nor any node. Where nodes are full, a call takes what is freed first and the least
// recently used containers make room, since functions that come late would else never run.

import { fixedKeepAlive } from "#scheduler/policy/fixed.ts";
import { forecast } from "#scheduler/policy/forecast.ts";
import { load2020 } from "#scheduler/simulator/load-2020.ts";
import { run2020, type Run2020 } from "#scheduler/simulator/run-2020.ts";
import { score2020, waitingPrice2020, type Totals2020 } from "#scheduler/simulator/score-2020.ts";
import { CONTEST_NODE } from "#scheduler/settings.ts";

const WEIGHTS = { responseTime: 0.5, nodeDuration: 0.5 };
/** No node is empty for so long. */
const NEVER_MS = 1e12;
const NODE_IDLE_MS = 1_000;

export function scoreOf2020(seed: number): {
  readonly score: number;
  readonly nodesMost: number;
  readonly errors: number;
} {
  const load = load2020(seed);
  const keepAll = {
    ...fixedKeepAlive("nothing released", { keepAliveMs: Infinity, lookEveryMs: 0 }),
    sharesStarts: true,
  };
  const reference = totalsOf(run2020(load, keepAll, { seed, learnsNeed: false, settings: { nodeIdleMs: NEVER_MS } }));
  const gbSecondsPerWaitSecond = waitingPrice2020(reference, WEIGHTS, CONTEST_NODE.memoryMb / 1024);
  const run = run2020(load, forecast({ kind: "waiting", gbSecondsPerWaitSecond }), {
    seed,
    learnsNeed: true,
    settings: { nodeIdleMs: NODE_IDLE_MS },
  });
  return { score: score2020(totalsOf(run), reference, WEIGHTS), nodesMost: run.nodesMost, errors: run.errors };
}

function totalsOf({ responseMs, nodeMs, errors, calls }: Run2020): Totals2020 {
  const answered = calls.reduce((sum, one) => sum + one, 0);
  return {
    response: responseMs.map((ms) => ms / 1e3),
    nodeDuration: nodeMs / 1e3,
    errorRate: errors / (answered + errors),
  };
}
