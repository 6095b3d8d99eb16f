// The port between those who bring calls to a node (the gateway, the attachment to Redis, FuncLoc) and what runs them: `NodeInvoker`.

import type { SideReason } from "#runtime/placement/choose-side.ts";
import type { GuestError } from "#runtime/sandbox/supervisor.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";

/** Somebody in Redis: what a function does is done with this user's rights, in this database. */
export interface Caller {
  readonly user: string;
  readonly database: number;
}

/** What a caller asks for. */
export interface Call {
  readonly function: string;
  /** Only this version will do; null takes the current one. */
  readonly version: string | null;
  /** The Redis keys that the caller declared. */
  readonly keys: readonly string[];
  /** JSON text; `null` where the caller sent nothing. Nobody parses it before the sandbox does. */
  readonly argsJson: string;
  /** null leaves the choice to locus. */
  readonly side: Side | null;
  /** From admission, ms; null leaves the function's own limit, which holds in any case. */
  readonly deadlineMs: number | null;
  /** Whether the reply carries the function's log lines. */
  readonly logs: boolean;
  /** The caller's own trace (W3C), 32 hexadecimal digits: the invocation's id begins with it. */
  readonly traceId?: string;
  /** Of a call that was handed over: what a run of it that was pushed back had read. */
  readonly known?: Uint8Array;
  /** Of a call that was handed over: for whom it runs, where that is not the function user. */
  readonly caller?: Caller;
  /** Of a call that was handed over: as in `Invocation`. */
  readonly mayWrite?: () => Promise<boolean>;
}

/** A run of a call that was ended at storage. Times are since admission by the node, µs. */
export interface PushedBackRun {
  readonly sentUs: number;
  readonly endedUs: number;
  readonly usage: Usage;
}

interface ReplyFacts {
  /** Unique to this invocation, over all nodes. */
  readonly id: string;
  /** null where the call ended before a side was chosen. */
  readonly side: Side | null;
  /** Why there; null with it. */
  readonly reason: SideReason | null;
  /** null where the call ended before a version was known. */
  readonly version: string | null;
  /** null where the sandbox never had the invocation. */
  readonly usage: Usage | null;
  /** From admission by the node to its answer, µs: what the caller waited for, its own network aside. */
  readonly elapsedUs: number;
  /** Of that: until it was sent to the side where it ended, µs. */
  readonly sentUs: number;
  /** What came before that; null: nothing. */
  readonly pushedBack: PushedBackRun | null;
  readonly logs: readonly string[];
}

export type Reply =
  | (ReplyFacts & { readonly ok: true; readonly resultJson: string })
  | (ReplyFacts & { readonly ok: false; readonly error: GuestError });

export interface Invoker {
  /**
   * Runs one call to its end; never rejects. Errors are codes of the table: what stopped it before it ran (OVERLOADED,
   * FUNCTION_NOT_FOUND, SIDE_UNAVAILABLE, …) or what ended it. `signal` cancels it; one signal may serve many calls.
   */
  invoke(call: Call, signal?: AbortSignal): Promise<Reply>;
}
