// The scheduler as live code uses it: promises instead of events, a timer instead of virtual time. Thin: whatever is decided is decided in
// scheduler.ts. Its world (`InstanceDriver`, `NodeSource`) is what drivers and the resource manager's client implement.

import { type ErrorCode, LocusError } from "#runtime/errors.ts";
import type { Effects, NodeEvent, PlacementRule, StartReason, StopReason } from "./effects.ts";
import type { FunctionPool } from "./instance/function-pool.ts";
import type { Instance } from "./instance/instance.ts";
import type { Lease } from "./instance/lease.ts";
import type { Node, NodeDescription } from "./node/node.ts";
import type { Policy } from "./policy/policy.ts";
import { Scheduler, type SavedScheduler, type Usage } from "./scheduler.ts";
import type { SchedulerSettings } from "./settings.ts";

/** Starts and stops instances on nodes. */
export interface InstanceDriver {
  /**
   * Resolves when it can take calls; rejects where it cannot be. No other start mends it where that is with FUNCTION_NOT_FOUND or VERSION_NOT_FOUND, since
   * there is no such function, or REQUEST_INVALID: no instance can be as the function's is to be, with as little memory.
   */
  start(instance: Instance): Promise<void>;
  /** Resolves when it is gone. Of one that is starting as well. Rejections count as gone. */
  stop(instance: Instance, reason: StopReason): Promise<void>;
}

/** Where nodes come from. */
export interface NodeSource {
  reserve(): Promise<NodeDescription>;
  release(node: Node, reason: string): Promise<void>;
}

/** What happened, with its reason, for log and metrics. Nothing per call. */
export interface SchedulerObserver {
  started(instance: Instance, why: StartReason, rule: PlacementRule): void;
  stopped(instance: Instance, why: StopReason): void;
  failed(instance: Instance, why: string, retryInMs: number): void;
  node(id: string, what: NodeEvent | "released", why: string): void;
  leaseEnded(lease: Lease, why: "revoked" | "expired"): void;
}

/** A call that holds an instance, or waits for one. */
interface Ticket {
  readonly resolve: (instance: Instance) => void;
  readonly reject: (error: LocusError) => void;
}

export interface LiveSchedulerOptions {
  readonly policy: Policy;
  readonly driver: InstanceDriver;
  readonly nodes: NodeSource;
  readonly observer: SchedulerObserver;
  readonly settings?: Partial<SchedulerSettings>;
  readonly saved?: SavedScheduler | null;
  /** Monotonic, ms. */
  readonly now?: () => number;
}

/** No timer of Node waits longer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class LiveScheduler {
  /** For events and views; calls go through `acquire` and `release`. After events of one's own, `wake` sets the timer anew. */
  readonly core: Scheduler<Ticket>;
  readonly now: () => number;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = Infinity;
  #closed = false;

  constructor(options: LiveSchedulerOptions) {
    const { policy, settings = {}, saved = null, now = () => performance.now() } = options;
    this.now = now;
    this.core = new Scheduler<Ticket>(policy, this.#effects(options), settings, saved);
  }

  /**
   * An instance for one call, which must be released. Rejects with OVERLOADED, DEADLINE_EXCEEDED, FUNCTION_NOT_FOUND, VERSION_NOT_FOUND, REQUEST_INVALID,
   * or CANCELLED where `signal` says so: nothing is held then.
   */
  acquire(pool: FunctionPool, deadlineMs: number, signal?: AbortSignal): Promise<Instance> {
    return this.#acquired(pool, signal, (ticket) => this.core.acquire(pool, ticket, deadlineMs, this.now()));
  }

  /** As `acquire`, of an instance to be lent (`Scheduler.acquireToLend`). */
  acquireToLend(
    pool: FunctionPool,
    deadlineMs: number,
    signal?: AbortSignal,
    near: Node | null = null,
  ): Promise<Instance> {
    const acquire = (ticket: Ticket): void => this.core.acquireToLend(pool, ticket, deadlineMs, this.now(), near);
    return this.#acquired(pool, signal, acquire);
  }

  #acquired(pool: FunctionPool, signal: AbortSignal | undefined, acquire: (ticket: Ticket) => void): Promise<Instance> {
    if (signal?.aborted === true) return Promise.reject(cancelled(pool));
    return this.#granted(pool, signal, (ticket) => {
      acquire(ticket);
      return true;
    })!;
  }

  /** One more where that takes nothing from anybody (`Scheduler.grow`), else null. Rejects as `acquire` does. */
  grow(
    pool: FunctionPool,
    deadlineMs: number,
    signal?: AbortSignal,
    near: Node | null = null,
  ): Promise<Instance> | null {
    return this.#granted(pool, signal, (ticket) => this.core.grow(pool, ticket, deadlineMs, this.now(), near));
  }

  /** null where `ask` says that there is nothing to wait for. */
  #granted(
    pool: FunctionPool,
    signal: AbortSignal | undefined,
    ask: (ticket: Ticket) => boolean,
  ): Promise<Instance> | null {
    let isAsked = true;
    const granted = new Promise<Instance>((resolve, reject) => {
      const onAbort = (): void => {
        // Granted meanwhile: whoever awaits has it, and releases it.
        if (this.core.cancel(ticket, this.now())) ticket.reject(cancelled(pool));
        this.wake();
      };
      let isWaiting = true;
      const ended = (): void => {
        isWaiting = false;
        signal?.removeEventListener("abort", onAbort);
      };
      const ticket: Ticket = {
        resolve: (instance) => {
          ended();
          resolve(instance);
        },
        reject: (error) => {
          ended();
          reject(error);
        },
      };
      isAsked = ask(ticket);
      // Most are granted by now, and nothing is set up for them.
      if (isAsked && isWaiting) signal?.addEventListener("abort", onAbort);
      this.wake();
    });
    return isAsked ? granted : null;
  }

  release(instance: Instance, usage: Usage): void {
    this.core.release(instance, usage, this.now());
    this.wake();
  }

  /** After events that were told to `core`. */
  wake(): void {
    const nextMs = this.core.nextWakeMs();
    // One that rings too early finds nothing to do and is set again: cheaper than to move it with every call.
    if (this.#closed || nextMs >= this.#timerMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerMs = nextMs;
    const inMs = Math.min(TIMER_MS_MAX, Math.max(0, nextMs - this.now()));
    this.#timer = setTimeout(() => this.#ring(), inMs);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #ring(): void {
    this.#timer = null;
    this.#timerMs = Infinity;
    this.core.tick(this.now());
    this.wake();
  }

  #effects({ driver, nodes, observer }: LiveSchedulerOptions): Effects<Ticket> {
    const told = (tell: (nowMs: number) => void): void => {
      if (this.#closed) return;
      tell(this.now());
      this.wake();
    };
    return {
      granted: (ticket, instance) => ticket.resolve(instance),
      refused: (ticket, error) => ticket.reject(error),
      startInstance: (instance, why, rule) => {
        observer.started(instance, why, rule);
        driver.start(instance).then(
          () => told((nowMs) => this.core.instanceStarted(instance, nowMs)),
          (error: unknown) =>
            told((nowMs) => this.core.instanceFailed(instance, messageOf(error), nowMs, refusalIn(error))),
        );
      },
      stopInstance: (instance, reason) => {
        observer.stopped(instance, reason);
        const gone = (): void => told((nowMs) => this.core.instanceGone(instance, nowMs));
        driver.stop(instance, reason).then(gone, gone);
      },
      reserveNode: () => {
        nodes.reserve().then(
          (description) => told((nowMs) => this.core.nodeReserved(description, nowMs)),
          (error: unknown) => told((nowMs) => this.core.nodeRefused(messageOf(error), nowMs)),
        );
      },
      releaseNode: (node, reason) => {
        observer.node(node.id, "released", reason);
        nodes.release(node, reason).catch((error: unknown) => observer.node(node.id, "lost", messageOf(error)));
      },
      leaseEnded: (lease, why) => observer.leaseEnded(lease, why),
      instanceFailed: (instance, why, retryInMs) => observer.failed(instance, why, retryInMs),
      nodeNoted: (id, what, why) => observer.node(id, what, why),
    };
  }
}

/** Codes of a start that goes well only when the function is another: deployed, or with other memory. */
const REFUSALS: readonly ErrorCode[] = ["FUNCTION_NOT_FOUND", "VERSION_NOT_FOUND", "REQUEST_INVALID"];

const refusalIn = (error: unknown): LocusError | null =>
  error instanceof LocusError && REFUSALS.includes(error.code) ? error : null;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const cancelled = (pool: FunctionPool): LocusError =>
  new LocusError("CANCELLED", `nobody waits any more for an instance of "${pool.config.key}"`);
