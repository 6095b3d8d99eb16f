// One side as a node sees it: something that runs an admitted call. `ComputeSide` gives it to the sandbox hosts of this
// machine, `StorageSide` sends it to the ones next to Redis.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { Usage } from "#runtime/profile/sample.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Call } from "./invoker.ts";

/** A call that was let in: its function is known and its deadline is set. */
export interface AdmittedCall {
  readonly id: string;
  readonly call: Call;
  readonly description: FunctionDescription;
  /** From now, ms: the smaller of the call's and the function's. */
  readonly deadlineMs: number;
  /** At storage it may be pushed back when it has computed for so long, µs; 0: not. */
  readonly backCpuUs: number;
  /** As in `PlannedSide`. */
  readonly overflows: boolean;
  /** What a run of it that was pushed back had read; null: none was. */
  readonly known: Uint8Array | null;
}

/** How it ended, and in which version: the storage side runs the one that is current there. */
export interface SideReply {
  readonly version: string;
  readonly outcome: Outcome;
}

/** The way to the side could not be opened: nothing of the call was sent, so another side may have it. */
export class SideNotReached extends LocusError {
  constructor(cause: LocusError) {
    super(cause.code, cause.message, { cause });
  }
}

/** It is to run on the other side, from its beginning: it has sent nothing but reads. */
export interface PushedBack {
  readonly version: string;
  /** Of the run that was ended. */
  readonly usage: Usage;
  /** For `AdmittedCall.known`. */
  readonly known: Uint8Array;
}

export interface SideRunner {
  /** Only what has `backCpuUs` is pushed back. Rejects with a LocusError where the call did not reach a sandbox; a SideNotReached is sure that it did not even leave. */
  run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply | PushedBack>;
}
