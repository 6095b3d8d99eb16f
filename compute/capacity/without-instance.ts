// What becomes of a call that gets no instance, by why it gets none: it runs on its node without one, unless people have said how many instances its
// function has at most. That bounds what runs at once only where nothing runs beside the instances. docs/scheduler.md, Nodes of locus.

import { LocusError } from "#runtime/errors.ts";

/** Whether a call runs without an instance although its function may have so many at most. */
const IS_DESPITE_MAX = {
  /** Nobody schedules: nobody counts instances either, and what is deployed is to run. */
  "no-scheduler": true,
  /** Its version is there no more: its successor runs, or the call is told so, when it is to run here. */
  replaced: true,
  /** Whoever schedules gives none: it is too large for any node. Or its node holds as many as it can. */
  refused: false,
  /** None came in time. */
  late: false,
  /** One after another took no call. */
  lost: false,
  /** Its node stops. */
  stopping: false,
  /** It stays on its node whatever comes, since Redis waits there; none is free here, or can take it. */
  "not-here": true,
  /** The same; and it runs in a sandbox host of its user's. */
  "other-user": true,
} as const;

/** Why a call has no instance. */
export type WithoutReason = keyof typeof IS_DESPITE_MAX;

/** A call that got none. */
export interface WithoutInstance {
  readonly function: string;
  /** Instances that people allow it; null: as many as there is room for. */
  readonly most: number | null;
  readonly reason: WithoutReason;
  /** How long it was after one. */
  readonly forMs: number;
  /** In words, what stood in the way; empty: nothing but that there are no more. */
  readonly why: string;
  /** With what whoever schedules refused it; null: that is not what stood in the way. */
  readonly refusal: LocusError | null;
}

/** The error with which it is refused; null: it runs without. */
export function refusalOf({ function: name, most, reason, forMs, why, refusal }: WithoutInstance): LocusError | null {
  if (most === null || IS_DESPITE_MAX[reason]) return null;
  // A higher maximum mends neither.
  if (reason === "refused" && refusal !== null) return refusal;
  if (reason === "stopping") {
    return new LocusError("OVERLOADED", `this node stops, and ${name} runs on instances alone: call again`);
  }
  const got = `${name} got no instance in ${Math.round(forMs)} ms${why === "" ? "" : ` (${why})`}`;
  const text = `${got}, and may have ${most} at most: raise that with "locus scale ${name} --max", or call again later`;
  return new LocusError("OVERLOADED", text);
}
