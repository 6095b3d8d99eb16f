// What `locus placement` and `locus why` print.

import { counted } from "#runtime/counted.ts";
import { amountText, durationText, percentText } from "#runtime/figures.ts";
import type { LatencyTerms } from "#runtime/placement/cost-model.ts";
import { homeOf } from "#runtime/placement/plan.ts";
import { POOL_NAMES, POOLS } from "#runtime/placement/pool-use.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import { columns } from "./output.ts";

const SIDES: readonly Side[] = ["compute", "storage"];
const NO_CONTROLLER = "No node controls placement now. The last plan holds; what it was made from is not known.";
/** So that all of it fits on a screen. */
const TRANSITIONS_SHOWN_MAX = 6;

export const overviewText = (overview: PlacementOverview, nowMs: number): string => {
  const { functions, outlook, regret } = overview;
  const heads = ["FUNCTION", "STATE", "AT STORAGE", "CALLS/S", "COMPUTE", "STORAGE", "MOVES", "REVERTS", "TRIALS"];
  const rows = functions.map((one) => [
    one.function,
    one.state,
    percentText(one.share),
    one.callsPerSecond === undefined ? "" : amountText(one.callsPerSecond),
    ...SIDES.map((side) => (one.sides ? durationText(one.sides[side].cost.latencyUs) : "")),
    String(one.moves ?? ""),
    String(one.reverts ?? ""),
    String(one.trials ?? ""),
  ]);
  const lines = [columns(heads, rows, "no function is planned yet"), ""];
  if (rows.length > 0) {
    lines.push(
      "AT STORAGE: share of the calls. COMPUTE, STORAGE: latency of a call there. REVERTS: moves taken back.",
      "",
    );
  }
  lines.push(controllerText(overview, nowMs));
  if (outlook !== null) {
    const pools = POOLS.filter((pool) => pool !== "callers" && (pool !== "shared" || outlook.utilisation.shared > 0));
    lines.push(
      `busy: ${pools.map((pool) => `${POOL_NAMES[pool]} ${percentText(outlook.utilisation[pool])}`).join(", ")}`,
    );
  }
  if (regret !== null) lines.push(`regret: the plan misses ${percentText(regret)} of what the best shares would save`);
  return lines.join("\n");
};

const controllerText = ({ controller, decidedMs, nodes }: PlacementOverview, nowMs: number): string => {
  if (controller === null) return NO_CONTROLLER;
  const when = decidedMs === null ? "has not changed the plan yet" : `changed the plan ${agoText(decidedMs, nowMs)}`;
  return `node ${controller} controls placement and ${when}; ${counted(nodes ?? 0, "node")} had calls lately`;
};

export const summaryText = (summary: PlacementSummary, nowMs: number): string => {
  const { function: name, state, share, reason, demand, sides, difference, transitions = [], warnings = [] } = summary;
  const lines = [`${name}: ${state}, ${percentText(share)} of its calls at storage`, reason ?? NO_CONTROLLER];
  lines.push(...warnings.map((warning) => `warning: ${warning}`), ...rulesText(summary));
  if (summary.overflowMin > 0) lines.push(overflowText(summary));
  if (sides && demand && difference) {
    const { operations, rounds, bytes, cpuUs } = demand;
    lines.push(
      "",
      `A call: ${counted(amountText(operations), "operation")} in ${counted(amountText(rounds), "round")}, ${amountText(bytes)} bytes, ${durationText(cpuUs)} of CPU time.`,
      "",
      costTable(summary, sides, difference),
      "",
      ...SIDES.map((side) => measuredText(side, sides[side], nowMs)),
    );
  }
  if (transitions.length > 0) {
    lines.push(
      "",
      "last changes:",
      ...transitions.slice(-TRANSITIONS_SHOWN_MAX).map((one) => `  ${transitionText(one)}`),
    );
  }
  return lines.join("\n");
};

type Sides = NonNullable<PlacementSummary["sides"]>;

const TERM_NAMES: Readonly<Record<keyof LatencyTerms, string>> = {
  call: "way there and back",
  opening: "opening an isolate",
  enter: "waking an isolate",
  cpu: "CPU time",
  operations: "operations",
  rounds: "Redis round trips",
  bytes: "transfer",
  crowd: "waiting for a core",
};

/** Each term on both sides, and what it adds on the other one: the columns add up. */
function costTable(
  summary: PlacementSummary,
  sides: Sides,
  difference: NonNullable<PlacementSummary["difference"]>,
): string {
  const here = homeOf(summary);
  const there = otherSide(here);
  const terms = Object.keys(TERM_NAMES) as (keyof LatencyTerms)[];
  const row = (label: string, mine: number, others: number, more: number): string[] => [
    label,
    durationText(mine),
    durationText(others),
    signedText(more),
  ];
  const rows = [
    ...terms.map((term) =>
      row(TERM_NAMES[term], sides[here].cost.terms[term], sides[there].cost.terms[term], difference[term]),
    ),
    row("a call", sides[here].cost.latencyUs, sides[there].cost.latencyUs, difference.sum),
  ];
  return columns(
    ["LATENCY", here.toUpperCase(), there.toUpperCase(), `MOVING TO ${there.toUpperCase()} ADDS`],
    rows,
    "",
  );
}

const signedText = (us: number): string =>
  Math.abs(us) < 0.5 ? "0" : `${us < 0 ? "−" : "+"}${durationText(Math.abs(us))}`;

/** What was measured in the sandbox, beside what the model says of the same calls. */
function measuredText(side: Side, explained: Sides[Side], nowMs: number): string {
  const { measuredUs, predictedUs, p99Us, callsInAll, lastMs, cpuUs, waitUs, queueUs } = explained;
  if (measuredUs === null || predictedUs === null || lastMs === null)
    return `${side}: not measured; the figures are the model's`;
  const parts = [
    `${durationText(measuredUs)} in the sandbox (model ${durationText(predictedUs)})`,
    ...(cpuUs === null ? [] : [`CPU ${durationText(cpuUs)}`]),
    ...(waitUs === null ? [] : [`waiting ${durationText(waitUs)}`]),
    ...(queueUs === null ? [] : [`queue before it ${durationText(queueUs)}`]),
    ...(p99Us === null ? [] : [`p99 ${durationText(p99Us)}`]),
  ];
  return `${side}: measured ${parts.join(", ")}; ${counted(callsInAll.toLocaleString("en"), "call")}, the last ${agoText(lastMs, nowMs)}`;
}

/** Weight and p99 bound. Where the function is pinned, its state says so. */
function rulesText({ rules, sides }: PlacementSummary): readonly string[] {
  if (rules === undefined) return [];
  const { weight, p99UnderUs } = rules;
  const lines: string[] = [];
  if (weight !== 1) lines.push(`Its weight is ${amountText(weight)}: its callers' time counts so many times as much.`);
  if (p99UnderUs !== null) {
    const isKept = SIDES.some((side) => (sides?.[side].p99Us ?? 0) <= p99UnderUs);
    lines.push(`Its p99 bound is ${durationText(p99UnderUs)}${isKept ? "" : ", which both sides exceed"}.`);
  }
  return lines;
}

function overflowText(summary: PlacementSummary): string {
  const { overflowMin, overflowTimes } = summary;
  const here = homeOf(summary);
  const there = otherSide(here);
  return `Overflow: a call goes to ${there} while ${overflowMin} or more are in flight at ${here}, and ${amountText(overflowTimes)} for each at ${there}.`;
}

const transitionText = ({ atMs, from, to, fromShare, toShare, why }: Transition): string => {
  const when = new Date(atMs).toISOString();
  if (fromShare !== toShare)
    return `${when}  ${percentText(fromShare)} → ${percentText(toShare)} at storage: ${whyText(why)}`;
  return `${when}  ${from === to ? to : `${from} → ${to}`}: ${whyText(why)}`;
};

const whyText = (why: Transition["why"]): string => {
  switch (why.kind) {
    case "new":
      return "deployed";
    case "replaced":
      return "a new version was deployed";
    case "closed":
      return "storage runs no calls";
    case "pinned":
      return "pinned";
    case "unpinned":
      return "unpinned";
    case "resumed":
      return "another node controls placement now, and profiles its calls again";
    case "profiled":
      return `${counted(amountText(why.calls), "call")} measured`;
    case "shifted":
      return `its calls have changed: ${amountText(why.workTimes)} times the work`;
    case "recalled":
      return "its calls are of an earlier kind, and return to the share that was best then";
    case "latency":
      return `a call takes ${durationText(why.to)} instead of ${durationText(why.from)} (± ${percentText(why.error)})`;
    case "room":
      return `it made room for a function that saves more; a call takes ${durationText(why.to)} instead of ${durationText(why.from)}`;
    case "capacity":
      return `the busiest pool is at ${percentText(why.to)} instead of ${percentText(why.from)} (± ${percentText(why.error)})`;
    case "surge":
      return `surge: ${amountText(why.callsPerSecond)} calls/s instead of ${amountText(why.usualPerSecond)}; the busiest pool is at ${percentText(why.to)} instead of ${percentText(why.from)}`;
    case "bound":
      return `its p99 was ${durationText(why.p99Us)}, above its bound of ${durationText(why.p99UnderUs)}`;
    case "reverted":
      return `taken back: all calls took ${percentText(why.ratio)} of the time before; next attempt after ${durationText(why.retryInMs * 1e3)} of calls`;
    case "probing":
      return `one call in ${why.every.toLocaleString("en")} visits ${why.side}`;
    case "probed":
      return `${why.side} was visited: a call takes ${durationText(why.takesUs)} there`;
    case "trying":
      return `trial: all calls at ${triedText(why)}`;
    case "tried":
      return `trial at ${triedText(why)} ${why.outcome}${why.ratio === null ? "" : `: all calls took ${percentText(why.ratio)} of the time without it`}`;
    default:
      return otherText(why satisfies never);
  }
};

/** Of a newer node. */
const otherText = ({ kind, ...numbers }: { readonly kind: string }): string => {
  const texts = Object.entries(numbers).map(([name, value]) => `${name} ${String(value)}`);
  return texts.length === 0 ? kind : `${kind} (${texts.join(", ")})`;
};

const triedText = ({ side, partner }: { readonly side: Side; readonly partner: string | null }): string =>
  partner === null ? side : `${side}, and ${partner} on the other side`;

const agoText = (ms: number, nowMs: number): string => `${durationText(Math.max(0, nowMs - ms) * 1e3)} ago`;
