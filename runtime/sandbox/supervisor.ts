// The compute side's supervisor of sandbox hosts: starts them, gives them invocations over the rings, collects outcomes,
// restarts what dies. A thin face over the native one (`runtime/native/supervisor.h`), which the Redis module uses as well.

import type { RedisSource } from "#runtime/channel/redis-source.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { Usage } from "#runtime/profile/sample.ts";

/** A function as the supervisor needs it to start an isolate. */
export interface FunctionImage {
  readonly description: FunctionDescription;
  readonly bundle: Uint8Array;
}

export interface Invocation {
  readonly image: FunctionImage;
  readonly keys: readonly string[];
  /** JSON text; `null` where the caller sent nothing. */
  readonly argsJson: string;
  /** From now, ms; the smaller of this and the function's own limit holds. */
  readonly deadlineMs: number;
  /** Whether the reply carries the log lines. They go to the process log in any case. */
  readonly logs: boolean;
  /** The owner's own, for the log. */
  readonly id?: string;
  /** What a run that was pushed back had read (docs/placement.md, Push-back): it is not read again. */
  readonly known?: Uint8Array;
  /**
   * Asked before the invocation sends anything but reads, and again by a run that takes the place of one that was lost. It waits
   * for the answer, and is cancelled where that is false or an error.
   */
  readonly mayWrite?: () => Promise<boolean>;
}

/** A line from a function's console, from a host, or from the supervisor itself. */
export interface HostLine {
  /** The function's name, or the part of locus that speaks. */
  readonly source: string;
  readonly text: string;
  /** Of a function: the id of its invocation, null where that has been answered already. */
  readonly invocation?: string | null;
}

export interface GuestError {
  readonly code: ErrorCode;
  readonly message: string;
  /** With the author's files and lines; empty where the error has none. */
  readonly stack: string;
  /** With CALL_REFUSED: what the CallerError says beside its message, as JSON. */
  readonly refusal?: string | undefined;
}

export type Outcome =
  | { readonly ok: true; readonly resultJson: string; readonly usage: Usage; readonly logs: readonly string[] }
  | { readonly ok: false; readonly error: GuestError; readonly usage: Usage; readonly logs: readonly string[] };

/**
 * How a sandbox host reaches Redis: the node connects and authenticates, the host only gets connected descriptors. With TLS the host makes
 * the session and authenticates itself, so it holds this user's credentials and no others.
 */
export interface DataSource extends RedisSource {
  /** The user that a connection takes on when it has authenticated, where that is another one (LOCUS.NODE ACT); not with TLS. */
  readonly actsFor?: string;
  /** The settings that name the user, in words; those of the node's own unless said otherwise. */
  readonly userSettings?: string;
  /** Connections per sandbox host, pipelined. */
  readonly connections: number;
}

/**
 * `on`: everything that the machine allows. `required`: a host that lacks what does not depend on the machine's settings
 * (the filters for system calls) does not run. `off`: for measuring what it costs.
 */
export type Confinement = "on" | "required" | "off";

export interface SupervisorOptions {
  readonly dataSource: DataSource;
  /** Memory of the isolates in one host, MiB; idle ones make room beyond it. 256 unless said otherwise. */
  readonly isolateMemoryMb?: number;
  /** Isolates per host, at most; as many as that memory holds unless said otherwise. */
  readonly isolatesMax?: number;
  /** Invocations waiting for an isolate, at most; one more is refused with OVERLOADED. */
  readonly queueLengthMax: number;
  /** `on` unless said otherwise. */
  readonly confinement?: Confinement;
  /** For the process log. */
  readonly onLog: (line: HostLine) => void;
}

/** How many isolates of a function version there are, whatever its calls ask for. */
export interface IsolateBounds {
  /** Open at all times. Others' idle isolates make room for them, and not the other way round while others can. */
  readonly min: number;
  /** Besides those that take no more calls and finish up. What calls have opened is never more than they are worth, which is the cores; null: that alone counts. */
  readonly max: number | null;
}

/** Calls decide: as many as they are worth, until their lanes are needed. */
export const NO_BOUNDS: IsolateBounds = { min: 0, max: null };

/** `kLanesMax` in runtime/native/lane.h, without the control lane. */
export const ISOLATES_MAX = 4_095;

export interface FunctionState {
  readonly name: string;
  readonly version: string;
  /** That take calls now. */
  readonly isolates: number;
  /** Kept open whatever calls ask for. */
  readonly min: number;
  /** The most that its isolates together have held in the last ten to twenty seconds: V8's heap and buffers outside of it. */
  readonly memoryBytes: number;
  /** CPU time of its calls since it has had isolates or bounds without a break. */
  readonly cpuUs: number;
}

export interface CallStates {
  /** Wait for an isolate. */
  readonly queued: number;
  /** The same, and the first one for their function is being opened. */
  readonly starting: number;
  /** In a turn. */
  readonly running: number;
  /** Have an isolate, and are between two turns. */
  readonly waiting: number;
}

export interface SupervisorState {
  readonly hosts: readonly {
    readonly pid: number;
    readonly state: "starting" | "ready" | "gone";
    readonly isolates: number;
    readonly inFlight: number;
    readonly restarts: number;
    readonly residentBytes: number;
    /** What its isolates hold, but for those that close. */
    readonly isolateBytes: number;
    /** CPU time of all its threads, µs. */
    readonly cpuUs: number;
    /** Holds one function that cost a process before. */
    readonly quarantine: boolean;
    /** Which parts of the confinement hold: docs/security.md names them. */
    readonly confinement: readonly string[];
    /** How the one before ended; empty for the first. */
    readonly lastEnd: string;
  }[];
  /** In no order: those that have isolates, bounds, or calls that wait. */
  readonly functions: readonly FunctionState[];
  /** Hosts that ended, but for those that nobody needed any more. */
  readonly deaths: number;
  readonly killedForMemory: number;
  readonly killedForTime: number;
  /** Invocations run again, unseen by their callers. */
  readonly reruns: number;
  /** Times that a function was sent to quarantine, and that one left it. */
  readonly quarantined: number;
  readonly released: number;
  /** What the calls are at that have not been answered. */
  readonly calls: CallStates;
  readonly inFlight: number;
  /** Connections to Redis that are up, over all hosts. */
  readonly connections: number;
  /** Why Redis refuses the user of these connections; empty where it does not. */
  readonly refusal: string;
}

/** Implemented by `startSupervisor` in this folder. */
export interface Supervisor {
  /** Resolves when the first host can take invocations; rejects with what stands in the way. */
  ready(): Promise<void>;
  /** Loads the bundle in a sandbox host and reads its definition. Rejects with FUNCTION_INVALID or BUNDLE_TOO_LARGE. */
  check(bundle: Uint8Array): Promise<FunctionDescription>;
  /** Runs one invocation; never rejects. `signal` cancels it: the outcome is then CANCELLED. */
  invoke(invocation: Invocation, signal?: AbortSignal): Promise<Outcome>;
  /**
   * From now on these bounds hold for the version, in place of those before; what they make superfluous closes when it is idle. Resolves
   * when as many as are kept by then, of those asked for here, can take calls. Rejects with what stands in the way: REQUEST_INVALID,
   * FUNCTION_INVALID, SANDBOX_DIED (hosts died while they loaded it), OVERLOADED (no room, or too many wait for the version's isolates),
   * SIDE_UNAVAILABLE; the bounds hold nevertheless, unless they are invalid, more than a host has room for, or those of a version too many.
   */
  keep(image: FunctionImage, bounds: IsolateBounds): Promise<void>;
  state(): SupervisorState;
  /** CPU time of all hosts that there are and were, µs; never falls. Cheap, unlike `state`. */
  cpuUs(): number;
  /** Isolates of the mean size of those that are open that the memory of a host has room for. */
  isolatesMax(): number;
  /** Of one version, without the cost of all; null where it has no isolates, bounds or calls that wait. */
  functionState(image: FunctionImage): FunctionState | null;
  /** Lets what is in flight finish for at most `graceMs`, then ends the hosts. Idempotent. */
  close(graceMs: number): Promise<void>;
}
