// What `locus placement` and `locus why` tell people.

import { counted } from "#runtime/counted.ts";
import { amountText, durationText, percentText } from "#runtime/figures.ts";
import { PROFILED_CALLS_MIN, type Transition } from "#runtime/placement/function-state.ts";
import type { LatencyTerms } from "#runtime/placement/cost-model.ts";
import { homeOf } from "#runtime/placement/plan.ts";
import { POOLS, type Pool } from "#runtime/placement/pool-use.ts";
import { RECENT_S } from "#runtime/profile/recent-calls.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import { columns } from "./output.ts";

/** Characters of the longest bar. */
const BAR_LENGTH = 32;
const SIDES: readonly Side[] = ["compute", "storage"];
const POOL_NAMES: Readonly<Record<Pool, string>> = {
  compute: "compute cores",
  storage: "storage cores",
  redis: "Redis' thread",
  storageMachine: "Redis' machine",
  shared: "cores that all share",
  callers: "callers",
};
const NOBODY_DECIDES = "no node decides now: the last plan holds, and what it was made from is not known";

export const overviewText = (overview: PlacementOverview, nowMs: number): string => {
  const { functions, outlook, hostCores = null, regret } = overview;
  const heads = [
    "FUNCTION",
    "STATE",
    "AT STORAGE",
    "CALLS/S",
    "TAKES AT COMPUTE",
    "TAKES AT STORAGE",
    "MOVES",
    "REVERTS",
    "TRIALS",
  ];
  const rows = functions.map((one) => [
    one.function,
    one.state,
    percentText(one.share),
    one.callsPerSecond === undefined ? "" : amountText(one.callsPerSecond),
    ...SIDES.map((side) =>
      one.sides === undefined || one.sides === null ? "" : durationText(one.sides[side].cost.latencyUs),
    ),
    String(one.moves ?? ""),
    String(one.reverts ?? ""),
    String(one.trials ?? ""),
  ]);
  const legend = [
    "",
    "STATE: while profiling too little is known, so it stays where it is; at first that is where its author would have it. What is",
    "split runs on both sides. While probing some calls, or all for a moment, go to see what the other side takes. What is reverting has",
    "had a move taken back, and waits before the next. What is pinned is where somebody has put it.",
    `AT STORAGE: the part of its calls that runs there. CALLS/S: over the last ${RECENT_S} s. TAKES: what a call takes on that`,
    "side, or would take (locus why). MOVES: changes of that part that were decided. REVERTS: those that were taken back.",
    "TRIALS: times that all calls ran on one side for a moment, to see; those that were kept are moves as well.",
  ];
  const lines = [
    columns(heads, rows, "no function is planned yet"),
    ...(rows.length === 0 ? [] : legend),
    "",
    decidedText(overview, nowMs),
  ];
  if (outlook !== null) {
    // No pool at all where the sides share no cores.
    const pools = POOLS.filter((pool) => pool !== "shared" || outlook.utilisation.shared > 0);
    const busy = pools.map((pool) => `${POOL_NAMES[pool]} ${percentText(outlook.utilisation[pool])}`);
    lines.push(`busy: ${busy.join(", ")}`);
    lines.push(
      "  (of callers: the part of the calls in flight that would be there without a crowd, which is no sign of load)",
    );
  }
  if (hostCores !== null)
    lines.push(`beside Redis: sandboxes get ${hostCores.toFixed(2)} of its cores, others keep them from more`);
  if (regret !== null)
    lines.push(`regret: ${percentText(regret)} of what the best places would give by what is known is missed`);
  return lines.join("\n");
};

/** By whom the plan is made, and when. */
const decidedText = ({ controller, decidedMs, nodes }: PlacementOverview, nowMs: number): string => {
  if (controller === null) return NOBODY_DECIDES;
  const when =
    decidedMs === null
      ? "has changed nothing since it began to"
      : `changed it last ${agoText(decidedMs, nowMs)} (${timeText(decidedMs)})`;
  return `node ${controller} decides, and ${when}; ${counted(nodes ?? 0, "node")} had calls lately`;
};

export const summaryText = (summary: PlacementSummary, nowMs: number): string => {
  const { function: name, state, share, reason, demand, sides, transitions } = summary;
  const lines = [`${name}: ${state}, ${percentText(share)} at storage`, reason ?? NOBODY_DECIDES];
  lines.push(...rulesText(summary));
  if (summary.overflowMin > 0) lines.push(overflowText(summary));
  if (demand !== undefined && demand !== null) {
    const { operations, rounds, bytes, cpuUs } = demand;
    lines.push(
      "",
      `a call: ${counted(amountText(operations), "operation")} in ${counted(amountText(rounds), "round")}, ${counted(amountText(bytes), "byte")}, ${durationText(cpuUs)} of computing (the mean of the latest, on both sides)`,
    );
  }
  if (sides !== undefined && sides !== null) {
    const longest = Math.max(...SIDES.flatMap((side) => Object.values(sides[side].cost.terms)));
    for (const side of SIDES) lines.push("", ...sideLines(side, sides[side], longest, nowMs));
    lines.push("", ...READING);
  }
  if (transitions !== undefined && transitions.length > 0) {
    lines.push("", "last changes:", ...transitions.map((one) => `  ${transitionText(one)}`));
  }
  return lines.join("\n");
};

/** What people have said of it, but for where it is pinned, which its state says. */
function rulesText({ rules, sides }: PlacementSummary): readonly string[] {
  if (rules === undefined) return [];
  const { weight, p99UnderUs } = rules;
  const said: string[] = [];
  if (weight !== 1) said.push(`its callers' time counts ${amountText(weight)} times as much as that of others`);
  if (p99UnderUs !== null) {
    // Of a side whose percentile is not known it is not said.
    const isKeptBy = (side: Side): boolean => (sides?.[side].p99Us ?? 0) <= p99UnderUs;
    const nowhere = SIDES.some(isKeptBy) ? "" : ", which it keeps on neither side by what is known";
    said.push(`its 99th percentile is to be under ${durationText(p99UnderUs)}${nowhere}`);
  }
  return said.length === 0 ? [] : [`Said of it: ${said.join("; ")}.`];
}

/** Where its calls go instead, and when. */
function overflowText(summary: PlacementSummary): string {
  const { overflowMin, overflowTimes } = summary;
  const here = homeOf(summary);
  const there = otherSide(here);
  const more = `${amountText(overflowTimes)} for each at ${there}`;
  return `Its calls overflow: one goes to ${there} instead while ${overflowMin} or more of such calls, and ${more}, are in flight at ${here}.`;
}

const READING = [
  "How to read it: a side's figure is the sum of its terms. They are the model's for the call above, corrected by what was measured",
  "on that side: the more calls and the newer, the more. `call` is the way to the sandbox and back, which measured and modelled leave",
  "out (in the sandbox: computed, waited and handed over, as locus call tells them); `crowd` is what calls take beyond the model.",
];

type ExplainedSide = NonNullable<PlacementSummary["sides"]>[Side];

const sideLines = (side: Side, explained: ExplainedSide, longestUs: number, nowMs: number): readonly string[] => {
  const { cost } = explained;
  const terms = Object.entries(cost.terms) as [keyof LatencyTerms, number][];
  return [
    `at ${side}: ${durationText(cost.latencyUs)}`,
    ...sourceLines(explained, nowMs),
    ...terms.map(([term, us]) => `${rowText(term, us)}  ${bar(us / longestUs)}`.trimEnd()),
  ];
};

/** What was measured, over how many calls and since when, beside what the model says of the same calls. */
const sourceLines = (
  { measuredUs, predictedUs, cpuUs, waitUs, queueUs, p99Us, callsInAll, sinceMs, lastMs }: ExplainedSide,
  nowMs: number,
): readonly string[] => {
  if (measuredUs === null || predictedUs === null || sinceMs === null || lastMs === null) {
    return ["  nothing measured: no call ran here, or its calls have changed since"];
  }
  const calls = counted(callsInAll.toLocaleString("en"), "call");
  const few = `fewer than the ${PROFILED_CALLS_MIN} of a decision: first calls compile its code, so that what they took is dropped each time that there are twice as many`;
  const about = callsInAll < PROFILED_CALLS_MIN ? few : "the latest count most";
  return [
    `${rowText("measured", measuredUs)}  in the sandbox: ${calls} since ${timeText(sinceMs)}, the last ${agoText(lastMs, nowMs)}; ${about}`,
    ...partLine("computed", cpuUs, "of that"),
    ...partLine("waited", waitUs, "of that, for replies or timers"),
    ...partLine("queued", queueUs, "besides, for an isolate"),
    ...partLine("p99", p99Us, "of the same calls, from admission to answer"),
    `${rowText("modelled", predictedUs)}  of the same calls, in the sandbox`,
  ];
};

const partLine = (name: string, us: number | null | undefined, what: string): readonly string[] =>
  us === null || us === undefined ? [] : [`${rowText(name, us)}  ${what}`];

const rowText = (name: string, us: number): string => `  ${name.padEnd(10)} ${durationText(us).padStart(8)}`;

const transitionText = ({ atMs, from, to, fromShare, toShare, why }: Transition): string => {
  const when = timeText(atMs);
  // How it begins: there was nothing before.
  if (from === to && fromShare === toShare) {
    return `${when}  ${whyText(why)}: begins as ${to}, ${percentText(toShare)} at storage`;
  }
  const moved = fromShare === toShare ? "" : ` (${percentText(fromShare)} → ${percentText(toShare)} at storage)`;
  return `${when}  ${from} → ${to}${moved}: ${whyText(why)}`;
};

const whyText = (why: Transition["why"]): string => {
  switch (why.kind) {
    case "new":
      return "deployed";
    case "replaced":
      return "other code was deployed under its name";
    case "closed":
      return "storage runs nothing";
    case "resumed":
      return `another node decides since, from the plan as it was${why.sinceLastMs === null ? "" : ` (it had changed ${durationText(why.sinceLastMs * 1e3)} before)`}, and profiles its calls anew`;
    case "shifted":
      return `its calls are not what they were: ${percentText(why.workTimes)} of their work`;
    case "recalled":
      return `calls like these came before, and did best with that share (${durationText(why.to)} a call, where they begin with ${durationText(why.from)})`;
    case "stopped":
      return `nobody has called it for ${durationText(why.quietMs * 1e3)}, since about when it was moved`;
    case "waited":
      return `after ${durationText(why.ms * 1e3)} of calls what was taken back may be tried again`;
    case "pinned":
      return "pinned by hand";
    case "freed":
      return "freed by hand";
    case "profiled":
      return `${counted(amountText(why.calls), "call")} are known`;
    case "latency":
      return `a call takes ${durationText(why.to)} instead of ${durationText(why.from)} (± ${percentText(why.noise)})`;
    case "overload":
      return `the busiest part is at ${percentText(why.to)} instead of ${percentText(why.from)} (± ${percentText(why.noise)})`;
    case "surge":
      return `${amountText(why.callsPerSecond)} calls of it come a second at once, and usually ${amountText(why.usualPerSecond)}: the busiest part is to be at ${percentText(why.to)} instead of ${percentText(why.from)} (± ${percentText(why.noise)})`;
    case "bound":
      return `where it was its 99th percentile was ${durationText(why.p99Us)}, beyond its bound of ${durationText(why.p99UnderUs)}`;
    case "reverted":
      return `${revertedText(why)}; tried again in ${durationText(why.retryInMs * 1e3)}`;
    case "probing":
      return `one call in ${why.every.toLocaleString("en")} visits ${why.side}, of which too little is known lately`;
    case "probed":
      return `${why.side} was visited, where a call takes ${durationText(why.takesUs)}`;
    case "trying":
      return `all calls are tried at ${triedText(why)} for a moment, with which the busiest part would be ${percentText(why.busierTimes)} as busy by the model`;
    case "checking":
      return `with all at ${triedText(why)}, calls of all functions took ${percentText(why.ratio)} of what they took before; all is as before for a moment, to see whether that is ${why.ratio > 1 ? "better" : "worse"} again`;
    case "tried": {
      if (why.ratio === null) return `${triedText(why)} was tried, and ${brokenOffText(why.brokenOff)}`;
      const took = `with all at ${triedText(why)}, calls of all functions took ${percentText(why.ratio)} of what they took otherwise`;
      if (why.isKept) return `${took}: it stays so`;
      return why.ratio < 1 ? `${took}, which may be chance: back` : `${took}: back`;
    }
    case "slowed":
      return `${triedText(why)} was tried, and nobody judges it: cores were slower or quicker then than before it, or since`;
    default:
      return otherText(why satisfies never);
  }
};

/** What a newer node tells. */
const otherText = ({ kind, ...numbers }: { readonly kind: string }): string => {
  const told = Object.entries(numbers).map(([name, value]) => `${name} ${String(value)}`);
  return told.length === 0 ? kind : `${kind} (${told.join(", ")})`;
};

const revertedText = ({ ratio, promisedUs, cameUs }: Extract<Transition["why"], { kind: "reverted" }>): string =>
  ratio === null
    ? `promised ${durationText(promisedUs)} a call, came ${durationText(cameUs)}`
    : `after the move calls of all functions took ${percentText(ratio)} of what they took before`;

const brokenOffText = (why: Extract<Transition["why"], { kind: "tried" }>["brokenOff"]): string => {
  switch (why) {
    case "bounds":
      return "broken off: a function may not stay where it was";
    case "surge":
      return "broken off: more callers came all at once";
    case "quiet":
      return "broken off: it was not called any more, or not looked at in time";
    case null:
      return "nothing tells what came of it";
    default:
      return why satisfies never;
  }
};

const triedText = ({ side, partner }: { readonly side: Side; readonly partner: string | null }): string =>
  partner === null ? side : `${side} (and ${partner}'s on the other side)`;

/** Of two clocks, perhaps. */
const agoText = (ms: number, nowMs: number): string => `${durationText(Math.max(0, nowMs - ms) * 1e3)} ago`;

const timeText = (ms: number): string => new Date(ms).toISOString();

const bar = (part: number): string => "█".repeat(Math.round(part * BAR_LENGTH));
