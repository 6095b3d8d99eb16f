// The 2020 contest's Scheduler over the real one: containers are its instances, one call each, handed out by request and taken back by it. A request
// has one, however often it is asked for. What is not taken back when its function's time has long been over was lost on the way, and ends.

import { isDeepStrictEqual } from "node:util";
import { LocusError } from "#runtime/errors.ts";
import type {
  AcquiredContainer,
  ContainerScheduler,
  ContainerUsed,
  ContainerWanted,
  FunctionTerms,
} from "../grpc/scheduler-service.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { LiveScheduler } from "../live-scheduler.ts";
import { HeldInstances } from "./held-instances.ts";
import { KnownFunctions } from "./known-functions.ts";

const MIB = 2 ** 20;
/** The most that was said of a function's memory holds for so long after it was said last: less makes all its containers anew. Chosen. */
const SAID_MS = 60_000;

/** What a call came to that leaves no container fit for another. Callers of somebody else's tell no codes. */
const BROKEN: readonly string[] = ["SANDBOX_DIED", "INSTANCE_NOT_FOUND", "INSTANCE_FAILED", "PEER_UNAVAILABLE"];

interface Held {
  readonly instance: Instance;
  /** By then its container may be forgotten. */
  readonly containerId: string;
}

/** One request, which several may have asked: who lost the answer on its way asks again. */
interface Asked {
  readonly wanted: ContainerWanted;
  readonly acquired: Promise<AcquiredContainer>;
  /** When nobody waits for it any more. */
  readonly abort: AbortController;
  /** Who wait for it, or have heard. */
  callers: number;
}

interface Declared {
  readonly pool: FunctionPool;
  readonly memoryBytes: number;
  readonly timeoutMs: number;
  /** When so much memory was asked for last, or was found to be wanted still. */
  saidMs: number;
}

export interface ContainerDeskOptions {
  readonly scheduler: LiveScheduler;
  /** An instance's name where it runs; its own, unless whoever runs it gives names. */
  readonly containerId?: (instance: Instance) => string;
  /** Told with each request whose account it is of, before a node is reserved for it; not where it names none. */
  readonly onAccount?: (accountId: string) => void;
  /** Told of each container that never came back. */
  readonly onLost: (requestId: string, instance: Instance) => void;
}

export class ContainerDesk implements ContainerScheduler {
  readonly #scheduler: LiveScheduler;
  readonly #containerId: (instance: Instance) => string;
  readonly #onAccount: (accountId: string) => void;
  readonly #declared: KnownFunctions<Declared>;
  /** By request: those that wait, and those that hold one. */
  readonly #asked = new Map<string, Asked>();
  /** By request. */
  readonly #held: HeldInstances<string, Held>;

  /** The scheduler stays its owner's. */
  constructor({ scheduler, containerId = ({ id }) => id, onAccount = () => {}, onLost }: ContainerDeskOptions) {
    this.#scheduler = scheduler;
    this.#declared = new KnownFunctions(scheduler);
    this.#containerId = containerId;
    this.#onAccount = onAccount;
    this.#held = new HeldInstances(scheduler, (requestId, { instance }) => {
      this.#asked.delete(requestId);
      onLost(requestId, instance);
    });
  }

  get held(): number {
    return this.#held.size;
  }

  /** Rejects with REQUEST_INVALID as well, where the same request has asked for something else. */
  async acquire(wanted: ContainerWanted, signal: AbortSignal): Promise<AcquiredContainer> {
    const asked = this.#askedOf(wanted);
    asked.callers++;
    try {
      return await unlessAborted(asked.acquired, signal, wanted);
    } catch (error) {
      if (--asked.callers === 0) this.#abandon(asked);
      throw error;
    }
  }

  async giveBack({ requestId, containerId, durationNanos, memoryBytesMax, errorCode }: ContainerUsed): Promise<void> {
    const held = this.#held.get(requestId);
    if (held === undefined || held.containerId !== containerId) {
      throw new LocusError("INSTANCE_NOT_FOUND", `request ${requestId} holds no container ${containerId}`);
    }
    this.#forget(requestId);
    const memory = memoryBytesMax > 0 ? { memoryMb: memoryBytesMax / MIB } : {};
    // Of one that died meanwhile as well: its call has ended.
    if (held.instance.running === 0) return;
    this.#scheduler.release(held.instance, {
      executionMs: durationNanos / 1e6,
      ...memory,
      isBroken: BROKEN.includes(errorCode),
      lackedMemory: errorCode === "MEMORY_LIMIT",
    });
  }

  /** Ends the instances that were not given back in time. */
  lookForLost(): void {
    this.#held.lookForLost();
  }

  close(): void {
    this.#held.close();
  }

  #askedOf(wanted: ContainerWanted): Asked {
    const { requestId } = wanted;
    // What it held has died: who asks again is to have one that can be called.
    if (this.#held.get(requestId)?.instance.state === "gone") {
      this.#asked.delete(requestId);
      this.#held.giveUp(requestId);
    }
    const known = this.#asked.get(requestId);
    if (known === undefined) {
      const abort = new AbortController();
      const asked = { wanted, acquired: this.#acquire(wanted, abort.signal), abort, callers: 0 };
      this.#asked.set(requestId, asked);
      return asked;
    }
    if (isDeepStrictEqual(known.wanted, wanted)) return known;
    throw new LocusError("REQUEST_INVALID", `request ${requestId} has asked for another container before`);
  }

  async #acquire(wanted: ContainerWanted, signal: AbortSignal): Promise<AcquiredContainer> {
    const { requestId, accountId, terms } = wanted;
    if (accountId !== "") this.#onAccount(accountId);
    const instance = await this.#scheduler.acquire(this.#poolOf(wanted), Infinity, signal);
    try {
      // Granted when nobody waited any more.
      if (signal.aborted) throw givenUp(wanted);
      const containerId = this.#containerId(instance);
      this.#held.hold(requestId, { instance, containerId }, terms.timeoutMs);
      const { id: nodeId, address: nodeAddress, port: nodePort } = instance.node.description;
      return { nodeId, nodeAddress, nodePort, containerId };
    } catch (error) {
      this.#scheduler.release(instance, { executionMs: 0, isBroken: !signal.aborted });
      throw error;
    }
  }

  /** Nobody has heard, or will. */
  #abandon(asked: Asked): void {
    asked.abort.abort();
    const { requestId } = asked.wanted;
    if (this.#asked.get(requestId) !== asked) return;
    const held = this.#held.get(requestId);
    this.#forget(requestId);
    // Granted at the moment at which the last one gave up.
    if (held !== undefined && held.instance.running > 0) this.#scheduler.release(held.instance, { executionMs: 0 });
  }

  #forget(requestId: string): void {
    this.#asked.delete(requestId);
    this.#held.forget(requestId);
  }

  /** Of a function of which nothing else holds than before, without a look at all that is said. */
  #poolOf({ functionName: key, terms }: ContainerWanted): FunctionPool {
    const known = this.#declared.get(key);
    const memoryBytes = this.#memoryOf(key, terms, known);
    const declared =
      known?.memoryBytes === memoryBytes && known.timeoutMs === terms.timeoutMs && !known.pool.removed
        ? known
        : this.#declare(key, memoryBytes, terms);
    if (terms.memoryBytes === memoryBytes) declared.saidMs = this.#scheduler.now();
    this.#declared.use(key, declared);
    return declared.pool;
  }

  /**
   * While there are containers, or calls that wait, of callers that say different things of a function's memory who says the most has its way: as long
   * as it was said of late, or such a call waits or has a container.
   */
  #memoryOf(key: string, { memoryBytes: asked }: FunctionTerms, known: Declared | undefined): number {
    const isUsed = known !== undefined && (known.pool.live > 0 || known.pool.waiting > 0);
    if (!isUsed || asked >= known.memoryBytes) return asked;
    const nowMs = this.#scheduler.now();
    if (nowMs - known.saidMs < SAID_MS) return known.memoryBytes;
    // Looked for once in that time at most.
    known.saidMs = nowMs;
    let most = asked;
    for (const { wanted } of this.#asked.values()) {
      if (wanted.functionName === key) most = Math.max(most, wanted.terms.memoryBytes);
    }
    return most;
  }

  #declare(key: string, memoryBytes: number, { timeoutMs }: FunctionTerms): Declared {
    const { core, now } = this.#scheduler;
    const memoryMb = memoryBytes / MIB;
    core.expectRoom(key, memoryMb);
    const pool = core.declare({ key, memoryMb, timeoutMs }, now());
    return { pool, memoryBytes, timeoutMs, saidMs: now() };
  }
}

/** Rejects with CANCELLED where `signal` has aborted by then: whoever has the value has heard it. */
async function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
  wanted: ContainerWanted,
): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(givenUp(wanted));
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    const value = await Promise.race([promise, aborted]);
    if (signal.aborted) throw givenUp(wanted);
    return value;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const givenUp = ({ requestId }: ContainerWanted): LocusError =>
  new LocusError("CANCELLED", `request ${requestId} waits for no container any more`);
