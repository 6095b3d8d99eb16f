// Why a function is where it is, in one sentence that follows from the figures that are told with it. Pure; for people.

import { counted } from "#runtime/counted.ts";
import { amountText, durationText, percentText } from "#runtime/figures.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import { ACTIVE_MS } from "./pauses.ts";
import { PROFILED_CALLS_MIN, restingState, type Transition } from "./function-state.ts";
import { isMove } from "./kept-transitions.ts";
import type { Breaches } from "./p99-bound.ts";
import { VISITS_MIN } from "./probes.ts";
import { type Rules } from "./situation.ts";
import type { Demand, LatencyTerms } from "./cost-model.ts";
import type { SideCosts } from "./function-costs.ts";
import { homeOf, type PlacementState } from "./plan.ts";
import { errorOf, latencyGain, neededPart, savedPart, type Gain } from "./worthwhile-shares.ts";

interface ReasonSide extends SideCosts {
  /** Each counted once. */
  readonly callsInAll: number;
  readonly p99Us: number | null;
}

/** The plan as a whole has proved better than another one. */
export interface Held {
  readonly untilMs: number;
  /** Its share in that other one; its own: it took no part in what told. */
  readonly refutedShare: number;
  /** A move was a mistake: whatever is promised of others. */
  readonly isFirm: boolean;
}

/** What the sentence is about. */
interface Placed {
  readonly state: PlacementState;
  readonly share: number;
  /** A move towards that side is not made before, since one was taken back. */
  readonly retryAtMs: Readonly<Record<Side, number>>;
  /** It stays while a part is too busy, or would be; null: it does not. */
  readonly held: Held | null;
  /** Whether a part is too busy now, by the model. */
  readonly isCrowded: boolean;
  /** Whether storage runs anything. */
  readonly hasStorage: boolean;
  /** Calls have visited that side lately. */
  readonly isWarm: Readonly<Record<Side, boolean>>;
  /** Until when what a trial has shown to be worse on a side counts against it; in the past: nothing does. */
  readonly refutedUntilMs: Readonly<Record<Side, number>>;
  /** Of the bound on its 99th percentile. */
  readonly breaches: Breaches;
  readonly rules: Rules;
  /** null: no call of it is known. */
  readonly demand: Demand | null;
  readonly sides: Readonly<Record<Side, ReasonSide>> | null;
  /** Its own, the latest last. */
  readonly transitions: readonly Transition[];
  readonly nowMs: number;
}

export function reasonText(placed: Placed): string {
  const { state, share, sides, demand } = placed;
  if (state === "pinned") return `It is pinned: ${whereOf(share)}.`;
  if (sides === null || demand === null) return `No call of it is known: ${whereOf(share)} until there are some.`;
  const calls = Math.round(sides.compute.callsInAll + sides.storage.callsInAll);
  if (state === "profiling" && calls < PROFILED_CALLS_MIN) {
    const known = `${counted(calls, "call")} of it ${calls === 1 ? "is" : "are"} known`;
    return `${known}, and a decision takes ${PROFILED_CALLS_MIN}: ${whereOf(share)} until then.`;
  }
  const here = homeOf(placed);
  const there = otherSide(here);
  const latency = `A call takes ${latencyText(sides, here)} and ${latencyText(sides, there)}`;
  const isFaster = sides[here].cost.latencyUs <= sides[there].cost.latencyUs;
  // A state that names a side has said it.
  const where = state === "compute" || state === "storage" ? "" : `, and ${whereOf(share)}`;
  const why =
    isFaster && restingState(share) !== "split"
      ? differenceOf(sides, here, demand)
      : stayText(placed, sides, isFaster ? here : there);
  return `${latency}${where}: ${why}.`;
}

/** Why it is not at `faster` altogether, where calls take less. */
function stayText(placed: Placed, sides: Readonly<Record<Side, ReasonSide>>, faster: Side): string {
  const { held, isCrowded, transitions, nowMs } = placed;
  const move = transitions.findLast((one) => isMove(one) && one.why.kind !== "stopped");
  const why = move?.why;
  const heldMs = held === null ? 0 : held.untilMs - nowMs;
  const isHeld = held !== null && heldMs > 0;
  if (why?.kind === "recalled") return "calls like these came before, and did best where it is";
  if (why?.kind === "tried" && why.ratio !== null && (isHeld || isCrowded)) {
    const stays = isHeld ? `, so it stays, ${heldText(heldMs)}` : ", so it stays";
    return `but when ${triedText(why.side, why.partner, why.ratio).join(", ")}${stays}`;
  }
  if (isHeld) return `it stays where it is, ${heldText(heldMs)}, ${provedText(placed, held)}`;
  if ((why?.kind === "overload" || why?.kind === "surge") && isCrowded) {
    return `where it is, the busiest part is at ${percentText(why.to)} instead of ${percentText(why.from)}`;
  }
  const now = nowText(placed, sides, faster);
  if (move === undefined || why === undefined) return now;
  const at = new Date(move.atMs).toISOString();
  if (why.kind === "freed") return `it was pinned where it is until ${at}; now ${now}`;
  const then = thenText(why);
  return then === null ? now : `it was moved at ${at}, when ${then}; now ${now}`;
}

/** What moved it, where that may be over. */
function thenText(why: Transition["why"]): string | null {
  if (why.kind === "overload" || why.kind === "surge") return `the busiest part was at ${percentText(why.from)}`;
  return why.kind === "tried" && why.ratio !== null ? triedText(why.side, why.partner, why.ratio).join(" and ") : null;
}

/** As what a trial has shown is bounded: by time, and by what it is about. */
const busyText = (ms: number): string => `for up to ${durationText(ms * 1e3)} more while a part is too busy`;

/** A hold lasts as well while one would be where it was worse. */
const heldText = (ms: number): string => `${busyText(ms)}, or would be elsewhere`;

/** What has shown that it does better where it is. */
function provedText({ share }: Placed, { refutedShare, isFirm }: Held): string {
  const own = `calls took longer with ${percentText(refutedShare)} of it at storage`;
  const others = isFirm ? "a move of others was just taken back" : "the plan as it is did better in a trial of others";
  return `since ${Math.abs(refutedShare - share) >= OTHER_SHARE ? own : others}`;
}

/** A part of the time that is none, to people. */
const SAME_TIME = 0.005;
/** A share that differs by less is the same one, to people. */
const OTHER_SHARE = 0.005;

/** As `stayText`, by the figures of now. */
function nowText(
  { share, retryAtMs, refutedUntilMs, breaches, hasStorage, isWarm, rules: { p99UnderUs }, nowMs }: Placed,
  sides: Readonly<Record<Side, ReasonSide>>,
  faster: Side,
): string {
  if (faster === "storage" && !hasStorage) return "storage runs nothing";
  const waitsMs = retryAtMs[faster] - nowMs;
  if (waitsMs > 0) {
    return `a move there was taken back, and is tried again in ${durationText(waitsMs * 1e3)}`;
  }
  const breach = breaches[faster];
  if (p99UnderUs !== null && breach?.isClosed === true && breaches[otherSide(faster)]?.isClosed !== true) {
    const inMs = breach.untilMs - nowMs;
    const then = inMs > 0 ? `, and is open again in ${durationText(inMs * 1e3)} at the earliest` : "";
    return `${faster} broke its bound of ${durationText(p99UnderUs)} on the 99th percentile, with ${durationText(breach.p99Us)}${then}`;
  }
  if (p99UnderUs !== null && isBroken(sides[faster], p99UnderUs) && !isBroken(sides[otherSide(faster)], p99UnderUs)) {
    return `${faster} breaks its bound of ${durationText(p99UnderUs)} on the 99th percentile`;
  }
  const gain = latencyGain({ sides }, share, faster === "storage" ? 1 : 0);
  if (savedPart(gain) <= neededPart(gain)) return tooLittleText(gain, faster, errorOf(sides));
  if (!isWarm[faster]) {
    return `it moves when ${VISITS_MIN} calls${faster === "compute" ? " of each node" : ""} have visited that side lately`;
  }
  const idleMs = nowMs - Math.max(sides[faster].lastMs ?? 0, sides[otherSide(faster)].lastMs ?? 0);
  if (idleMs > ACTIVE_MS) return `it was not called for ${durationText(idleMs * 1e3)}, and moves when it is`;
  const refutedMs = refutedUntilMs[faster] - nowMs;
  if (refutedMs > 0) {
    return `a trial with all of its calls there was clearly worse, which counts ${busyText(refutedMs)}`;
  }
  return "it moves when that makes no part too busy";
}

/** What a trial measured speaks against the figures of one call, which know nothing of the others' calls. */
function triedText(side: Side, partner: string | null, ratio: number): readonly [ran: string, took: string] {
  const whose = partner === null ? "all of its calls" : `all of its calls and of ${partner}'s`;
  const took = ratio < 1 - SAME_TIME ? `took ${percentText(1 - ratio)} less time` : "took no more time";
  return [`${whose} ran at ${side} for a moment`, `calls of all functions ${took}`];
}

/** `error`: the part of the gain's noise that is not about queues. */
function tooLittleText(gain: Gain, faster: Side, error: number): string {
  const { from, to, noise } = gain;
  const needed = neededPart(gain);
  if (needed > 1) {
    return `what all at ${faster} would save is not known well enough yet, as these figures may be wrong by more than a call takes`;
  }
  const saves = `all at ${faster} would save ${durationText(from - to)} a call (${percentText(savedPart(gain))})`;
  const must = `a move must save more than ${durationText(needed * from)} (${percentText(needed)})`;
  if (needed === neededPart({ ...gain, noise: 0 })) return `${saves}, and ${must}`;
  const why =
    noise > 2 * error
      ? "since much of a call is beyond the model, such as waiting for others, and changes with every move"
      : "twice what these figures may be wrong by";
  return `${saves}, and ${must}, ${why}`;
}

/** With what it is known from, where that is little. */
function latencyText(sides: Readonly<Record<Side, ReasonSide>>, side: Side): string {
  const { cost, callsInAll } = sides[side];
  const calls = Math.round(callsInAll);
  const few =
    calls === 0 ? " (by the model)" : calls < PROFILED_CALLS_MIN ? ` (by ${counted(calls, "call")} only)` : "";
  return `${durationText(cost.latencyUs)} at ${side}${few}`;
}

const TERM_NAMES: Readonly<Record<keyof LatencyTerms, (demand: Demand) => string>> = {
  call: () => "on getting the call there and its reply back",
  enter: () => "on waking an isolate up",
  cpu: () => "on computing",
  operations: ({ operations }) => `on handling its ${counted(amountText(operations), "operation")}`,
  rounds: ({ rounds }) => `on waiting for its ${counted(amountText(rounds), "round")}`,
  bytes: ({ bytes }) => `on moving its ${amountText(bytes / 1024)} KiB`,
  crowd: () => "on what the model does not know, such as waiting for others",
};

/** Where much of the difference is beyond the model, the term of the model that makes so much of what is beside it is told first: what it waits for makes the others wait as well. */
const TOLD_MIN = 0.1;

/** The term that makes most of it. */
function differenceOf(sides: Readonly<Record<Side, ReasonSide>>, here: Side, demand: Demand): string {
  const there = otherSide(here);
  const more = (term: keyof LatencyTerms): number => sides[there].cost.terms[term] - sides[here].cost.terms[term];
  const terms = Object.keys(TERM_NAMES) as (keyof LatencyTerms)[];
  const [most = "call", next = "call"] = terms.toSorted((one, other) => more(other) - more(one));
  const goText = (term: keyof LatencyTerms): string =>
    `at ${there} ${durationText(more(term))} more go ${TERM_NAMES[term](demand)}`;
  const isTold = most === "crowd" && more(next) >= TOLD_MIN * more(most);
  return isTold ? `${goText(next)}, and ${durationText(more(most))} ${TERM_NAMES[most](demand)}` : goText(most);
}

const isBroken = ({ p99Us }: ReasonSide, boundUs: number): boolean => p99Us !== null && p99Us > boundUs;

const whereOf = (share: number): string =>
  share <= 0 ? "it runs at compute" : share >= 1 ? "it runs at storage" : `${percentText(share)} of it runs at storage`;
