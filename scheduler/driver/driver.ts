// How instances come to be: the port that each driver implements, so that a node can hold them as isolates in a sandbox host, as processes or
// as containers. docs/drivers.md compares them.

import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";

export interface InstanceSpec {
  /** Its owner's choice; one that is there already is refused. */
  readonly id: string;
  readonly image: FunctionImage;
  /** Of the whole instance, at most. */
  readonly memoryBytes: number;
  /** Cores, at most: 0.5 is half of one. */
  readonly cpus: number;
  /** Calls at once. */
  readonly concurrency: number;
}

export interface InstanceCall {
  readonly keys: readonly string[];
  /** JSON text. */
  readonly argsJson: string;
  /** From now; the smaller of this and the function's own limit holds. */
  readonly deadlineMs: number;
  readonly logs: boolean;
  /** The owner's own, for the log. */
  readonly id?: string;
  /** Asked before the call sends anything but reads, or before it begins; where the answer is false it comes to CANCELLED. */
  readonly mayWrite?: () => Promise<boolean>;
}

export interface StartedInstance {
  /** Resolves with why it is not there any more, which may be that it was stopped. */
  readonly ended: Promise<string>;
}

export interface ListedInstance {
  readonly id: string;
  readonly function: string;
  /** Its limits as they are now. */
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly inFlight: number;
  /** null: nothing is known of it. */
  readonly use: InstanceUse | null;
}

export interface InstanceUse {
  readonly memoryBytes: number;
  /** Since it was started. */
  readonly cpuUs: number;
  /** Since it was started, the time in which its CPU quota held it back, of all its threads together; absent where nobody counts it. */
  readonly throttledUs?: number;
}

export interface Driver {
  /**
   * Resolves when it takes calls. Rejects with what stands in the way: REQUEST_INVALID (an id that is there, a memory that no instance
   * can live in), FUNCTION_INVALID, OVERLOADED (no room for it here), INSTANCE_FAILED, CANCELLED where `signal` aborts. Nothing is left of
   * it then.
   */
  start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance>;
  /**
   * What the call came to; CANCELLED where `signal` aborts. Rejects with INSTANCE_NOT_FOUND only. One that dies, hangs past its deadline, or
   * passes its memory ends, and `ended` says so; its other calls come to SANDBOX_DIED.
   */
  invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome>;
  /** Live. False: noted, and nothing holds the instance to it. Rejects with INSTANCE_NOT_FOUND, REQUEST_INVALID. */
  limit(id: string, cpus: number): Promise<boolean>;
  /** As `limit`. */
  resize(id: string, memoryBytes: number): Promise<boolean>;
  /**
   * Resolves when it is gone; calls in it come to SANDBOX_DIED. Rejects with INSTANCE_NOT_FOUND; with INSTANCE_FAILED where it has not gone in time: it
   * ends when it can, and `ended` says so.
   */
  stop(id: string): Promise<void>;
  list(): Promise<readonly ListedInstance[]>;
  /** Stops all, as `stop` does, and waits for none any longer. Idempotent. */
  close(): Promise<void>;
}
