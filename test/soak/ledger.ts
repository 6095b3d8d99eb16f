// What happened in an episode, as it is written down while it happens: every call with its answer, every fault with its
// victim. Times are `performance.now()` of the process that writes. The checker judges it; nothing is judged here.

import type { ErrorCode } from "#runtime/errors.ts";
import type { ScheduledCall } from "./call-schedule.ts";
import type { Fault } from "./fault-schedule.ts";

export type Answer =
  | { readonly kind: "ok"; readonly result: unknown }
  | { readonly kind: "error"; readonly code: ErrorCode; readonly message: string }
  /** The caller's own connection to who answers broke, or could not be made. */
  | { readonly kind: "lost"; readonly reason: string }
  /** What came is no answer at all. */
  | { readonly kind: "garbled"; readonly text: string };

export interface CallRecord {
  readonly call: ScheduledCall;
  readonly sentMs: number;
  /** All that came, with its time. */
  readonly answers: { readonly answer: Answer; readonly atMs: number }[];
  /** When the caller went away; null while it has not. */
  leftMs: number | null;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface FaultRecord extends Span {
  readonly fault: Fault;
  /** Which process, where there is one. */
  readonly victim: string;
}

export class Ledger {
  readonly calls: CallRecord[] = [];
  readonly faults: FaultRecord[] = [];

  send(call: ScheduledCall): CallRecord {
    const record: CallRecord = { call, sentMs: performance.now(), answers: [], leftMs: null };
    this.calls.push(record);
    return record;
  }

  get unanswered(): readonly CallRecord[] {
    return this.calls.filter(({ answers, leftMs }) => answers.length === 0 && leftMs === null);
  }
}

export const answer = (record: CallRecord, what: Answer): void => {
  record.answers.push({ answer: what, atMs: performance.now() });
};
