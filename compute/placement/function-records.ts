// What is told of a function as Redis keeps it, so that it outlives the node that controls: counters and the last transitions, written with
// the plan (plan-writer.ts) and read by who controls next. Nothing is decided by it. Whoever may write there may have written anything.

import { Type } from "typebox";

import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { RECORDED_TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { ownTransition } from "./answers.ts";
import { reader } from "./messages.ts";

/** Of one function: ten transitions of the longest are 3.3 KiB, the usual ones half of that. Those of 4,096 functions are 16 MiB at most. */
export const RECORD_LENGTH_MAX = 4 * 1024;

/** So much is left to count on to that what is told is a count still. */
const COUNTED_MAX = 2 ** 48;
const counted = Type.Integer({ minimum: 0, maximum: COUNTED_MAX });

const read = reader(
  Type.Object({
    moves: counted,
    reverts: counted,
    trials: counted,
    transitions: Type.Array(ownTransition, { maxItems: RECORDED_TRANSITIONS_MAX }),
  }),
);

/** Without the function's name, which is that of the field. */
export const recordText = ({ counters, transitions }: FunctionRecord): string =>
  JSON.stringify({ ...counters, transitions: transitions.map(withoutName) });

const withoutName = ({ atMs, from, to, fromShare, toShare, why }: Transition): Omit<Transition, "function"> => ({
  atMs,
  from,
  to,
  fromShare,
  toShare,
  why,
});

/** Of the function of that name; null: it is none. */
export function readRecord(name: string, text: string): FunctionRecord | null {
  const record = text.length > RECORD_LENGTH_MAX ? null : read(text);
  if (record === null) return null;
  const { moves, reverts, trials, transitions } = record;
  return {
    counters: { moves, reverts, trials },
    transitions: transitions.map((own) => ({ ...own, function: name })),
  };
}
