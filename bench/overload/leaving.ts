// How soon a load leaves storage when it becomes more than storage can do: nobody waits for answers, and from one moment to the next six times as many
// calls come.

import { join } from "node:path";
import type { Measure, Peer } from "../harness/contest.ts";
import { startPeer } from "../harness/peer-process.ts";
import { medianOf } from "../harness/statistics.ts";
import { assertOnlyRefused, type Calls, type Phase } from "../placement/load.ts";
import { partsUnder, type NewNames } from "../placement/new-names.ts";
import type { Part } from "../placement/schedule.ts";
import type { SplitStack } from "../placement/split-stack.ts";
import type { DirectLoadRequest } from "./main-direct-load.ts";
import { begunOf, begunWithin, storageShare } from "../shift/adaptation.ts";

export const LEAVE_ROW = "seconds to leave storage";
/** While so many other functions are called lightly, as often as this each: so many that a step of the decision no longer comes with each window. */
export const OTHERS = 40;
const OTHER_PER_SECOND = 10;
export const LEAVE_AMONG_ROW = `${LEAVE_ROW} among ${OTHERS} others`;
/** Where its calls come straight to Redis, which passes those on that leave. */
export const LEAVE_DIRECT_ROW = `${LEAVE_ROW}, LOCUS.CALL`;
export const worstRow = (row: string): string => `${row}, the slowest`;

const DIRECT_PROGRAM = join(import.meta.dirname, "main-direct-load.ts");

/** Before the step and after it, of what storage can do. */
const OFFERED_BEFORE = 0.5;
const OFFERED_AFTER = 3;
/** What there is before the step is that of so long before it. */
const BEFORE_MS = 500;
const WINDOW_MS = 50;
const STEP_MS = 5;
/** A share has fallen where it is less by this part of what it was. Chosen: in a window of a hundred calls it is known to a few hundredths. */
const FALLEN = 0.1;
/** A window of fewer calls, as where the machine stands still, says nothing. Chosen: one call of it is half of what counts. */
const CALLS_MIN = 20;
/** A load of which less is at storage was split before, or is at compute: there may be nothing to leave. Chosen. */
const PLACED_MIN = 0.9;
/** So many times as many steps are made at most until enough say something. Chosen: while cores are slow half of what storage can do is more than is comfortable there, and is split. */
const MADE_TIMES_MAX = 3;

/** Among the parts of the load. */
const LEAVING_PART = 0;

export interface Leaving {
  readonly seconds: number;
  /** Of the calls before the step, at storage. */
  readonly shareBefore: number;
  /** Of those that ended from the step until it has left. */
  readonly failed: number;
}

/**
 * Of the function that leaves: from the step until the end of the first window in which so much less of the calls that began in it ran at storage; all of the stretch where there is none, or
 * where the load was not placed at storage when the step came. Calls that no side has run are of neither: a node that is full refuses them before it chooses one.
 */
export function leavingOf(
  calls: Pick<Calls, "endMs" | "elapsedUs" | "part" | "atStorage" | "ok">,
  stepMs: number,
  untilMs: number,
): Leaving {
  const { endMs, part, atStorage, ok } = calls;
  const begun = begunOf(calls).filter(
    (_, call) => part[call] === LEAVING_PART && (ok[call] === 1 || atStorage[call] === 1),
  );
  const shareBefore = storageShare(begun, stepMs - BEFORE_MS, stepMs) ?? 0;
  const hasFallen = (fromMs: number): boolean => {
    const some = begunWithin(begun, fromMs, fromMs + WINDOW_MS);
    const share = storageShare(some, fromMs, fromMs + WINDOW_MS);
    return some.length >= CALLS_MIN && share !== null && share <= (1 - FALLEN) * shareBefore;
  };
  const leftMs = (): number => {
    if (shareBefore < PLACED_MIN) return untilMs;
    for (let fromMs = stepMs; fromMs + WINDOW_MS <= untilMs; fromMs += STEP_MS) {
      if (hasFallen(fromMs)) return fromMs + WINDOW_MS;
    }
    return untilMs;
  };
  const until = leftMs();
  const failed = endMs.filter(
    (ms, call) => part[call] === LEAVING_PART && ok[call] === 0 && ms >= stepMs && ms < until,
  ).length;
  return { seconds: (until - stepMs) / 1e3, shareBefore, failed };
}

export interface LeavingLoad {
  readonly row: string;
  readonly leaving: Part;
  /** Of the function that leaves: calls per second that storage does with callers who wait. */
  readonly capacity: number;
  /** Called beside it, each as often. */
  readonly others: readonly Part[];
  /** By which door they come. */
  readonly send: (phases: readonly Phase[], row: string) => Promise<Calls>;
}

/** To the node, in its process. */
export const throughNode =
  ({ load }: SplitStack): LeavingLoad["send"] =>
  (phases, row) =>
    load.ask<Calls>({ kind: "load", phases, rule: { kind: "auto" }, memory: row });

/** To Redis, from a process of its own that ends with `resources`. */
export async function straightToRedis(
  { redis: { port } }: SplitStack,
  resources: AsyncDisposableStack,
): Promise<LeavingLoad["send"]> {
  const client = await startPeer<DirectLoadRequest>(DIRECT_PROGRAM, [], resources);
  return (phases) => client.ask<Calls>({ port, phases });
}

export interface LeavingTimes {
  readonly leaveLeadInMs: number;
  readonly leaveMs: number;
  /** That say something in each repetition, each of a function that locus has not seen before. */
  readonly leaveSteps: number;
}

export function leavingPeers(
  stack: SplitStack,
  { row, leaving, capacity, others, send }: LeavingLoad,
  { leaveLeadInMs, leaveMs, leaveSteps }: LeavingTimes,
): readonly Peer[] {
  let steps: readonly Leaving[] = [];
  const step = async (names: NewNames, besides: readonly Part[]): Promise<Leaving> => {
    const phaseOf = (ms: number, offered: number): Phase => {
      // A part's weight is how often it is called.
      const parts = [...partsUnder(names, [leaving]), ...besides].map((part, index) => {
        return { ...part, weight: index === LEAVING_PART ? offered * capacity : OTHER_PER_SECOND };
      });
      return { ms, parts, arrivals: { perSecond: parts.reduce((sum, { weight }) => sum + weight, 0) } };
    };
    const phases = [phaseOf(leaveLeadInMs, OFFERED_BEFORE), phaseOf(leaveMs, OFFERED_AFTER)] as const;
    const calls = await send(phases, row);
    assertOnlyRefused(row, calls, phases[1].arrivals);
    return leavingOf(calls, leaveLeadInMs, leaveLeadInMs + leaveMs);
  };
  /** All that were made, and those of them that say something. */
  const stepsBeside = async (besides: readonly Part[]) => {
    const made: Leaving[] = [];
    const placed: Leaving[] = [];
    while (placed.length < leaveSteps && made.length < MADE_TIMES_MAX * leaveSteps) {
      const one = await stack.underNewNames([leaving.function], (names) => step(names, besides));
      made.push(one);
      if (one.shareBefore >= PLACED_MIN) placed.push(one);
    }
    return { made, placed };
  };
  const middle = (of: (one: Leaving) => number): number => medianOf(steps.map(of));
  return [
    {
      name: row,
      unit: "s",
      run: async () => {
        const otherNames = others.map((part) => part.function);
        // They are gone after it, and take no part in what comes next.
        const { made, placed } = await stack.underNewNames(otherNames, (names) =>
          stepsBeside(partsUnder(names, others)),
        );
        steps = placed.length > 0 ? placed : made;
        const all = measureOf({
          seconds: middle(({ seconds }) => seconds),
          shareBefore: middle(({ shareBefore }) => shareBefore),
          failed: middle(({ failed }) => failed),
        });
        return { ...all, details: { ...all.details, placedSteps: placed.length } };
      },
    },
    {
      name: worstRow(row),
      unit: "s",
      tellsOf: [row],
      run: async () => measureOf(steps.reduce((one, other) => (other.seconds > one.seconds ? other : one))),
    },
  ];
}

const measureOf = ({ seconds, shareBefore, failed }: Leaving): Measure => ({
  value: seconds,
  details: { storageShareBefore: shareBefore, refused: failed },
});
