// The 2020 contest's Scheduler over the real one: containers are its instances, one call each, handed out by request and taken back by it.
// What is not taken back when its function's time has long been over was lost on the way, and ends.

import { LocusError } from "#runtime/errors.ts";
import type {
  AcquiredContainer,
  ContainerScheduler,
  ContainerUsed,
  ContainerWanted,
} from "../grpc/scheduler-service.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { LiveScheduler } from "../live-scheduler.ts";

const MIB = 2 ** 20;
/** After its function's own time, ms: its call may have waited for a connection, and its return as well. Chosen. */
const LOST_GRACE_MS = 30_000;
/** How often what is held is looked through. */
const LOOK_MS = 5_000;

/** What a call came to that leaves no container fit for another. Callers of somebody else's tell no codes. */
const BROKEN: readonly string[] = ["SANDBOX_DIED", "INSTANCE_NOT_FOUND", "INSTANCE_FAILED", "PEER_UNAVAILABLE"];

interface Held {
  readonly instance: Instance;
  /** By then its container may be forgotten. */
  readonly containerId: string;
  readonly lostAtMs: number;
}

interface Declared {
  readonly pool: FunctionPool;
  readonly memoryBytes: number;
  readonly timeoutMs: number;
}

export interface ContainerDeskOptions {
  readonly scheduler: LiveScheduler;
  /** An instance's name where it runs; its own, unless whoever runs it gives names. */
  readonly containerId?: (instance: Instance) => string;
  /** Told of each container that never came back. */
  readonly onLost: (requestId: string, instance: Instance) => void;
}

export class ContainerDesk implements ContainerScheduler {
  readonly #scheduler: LiveScheduler;
  readonly #containerId: (instance: Instance) => string;
  readonly #onLost: ContainerDeskOptions["onLost"];
  readonly #declared = new Map<string, Declared>();
  /** By request. As many as there are busy instances, at most. */
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;

  /** The scheduler stays its owner's. */
  constructor({ scheduler, containerId = ({ id }) => id, onLost }: ContainerDeskOptions) {
    this.#scheduler = scheduler;
    this.#containerId = containerId;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.lookForLost(), LOOK_MS);
    this.#timer.unref();
  }

  get held(): number {
    return this.#held.size;
  }

  async acquire(wanted: ContainerWanted, signal: AbortSignal): Promise<AcquiredContainer> {
    const { requestId, terms } = wanted;
    if (this.#held.has(requestId)) {
      throw new LocusError("REQUEST_INVALID", `request ${requestId} holds a container already`);
    }
    const instance = await this.#scheduler.acquire(this.#poolOf(wanted), Infinity, signal);
    const containerId = this.#containerId(instance);
    const lostAtMs = this.#scheduler.now() + terms.timeoutMs + LOST_GRACE_MS;
    this.#held.set(requestId, { instance, containerId, lostAtMs });
    const { id: nodeId, address: nodeAddress, port: nodePort } = instance.node.description;
    return { nodeId, nodeAddress, nodePort, containerId };
  }

  async giveBack({ requestId, containerId, durationNanos, memoryBytesMax, errorCode }: ContainerUsed): Promise<void> {
    const held = this.#held.get(requestId);
    if (held === undefined || held.containerId !== containerId) {
      throw new LocusError("INSTANCE_NOT_FOUND", `request ${requestId} holds no container ${containerId}`);
    }
    this.#held.delete(requestId);
    const memory = memoryBytesMax > 0 ? { memoryMb: memoryBytesMax / MIB } : {};
    // It died meanwhile, as the scheduler knows already.
    if (held.instance.state === "gone") return;
    this.#scheduler.release(held.instance, {
      executionMs: durationNanos / 1e6,
      ...memory,
      isBroken: BROKEN.includes(errorCode),
      lackedMemory: errorCode === "MEMORY_LIMIT",
    });
  }

  /** Ends the instances that were not given back in time: whoever has one may still use it. */
  lookForLost(): void {
    const nowMs = this.#scheduler.now();
    for (const [requestId, { instance, lostAtMs }] of this.#held) {
      if (lostAtMs > nowMs) continue;
      this.#held.delete(requestId);
      this.#onLost(requestId, instance);
      if (instance.running > 0) this.#scheduler.release(instance, { executionMs: null, isBroken: true });
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Of a function that says the same as before, without a look at all that it says. */
  #poolOf({ functionName: key, terms: { memoryBytes, timeoutMs } }: ContainerWanted): FunctionPool {
    const known = this.#declared.get(key);
    if (known?.memoryBytes === memoryBytes && known.timeoutMs === timeoutMs && !known.pool.removed) return known.pool;
    const config = { key, memoryMb: memoryBytes / MIB, timeoutMs, concurrency: 1 };
    const pool = this.#scheduler.core.declare(config, this.#scheduler.now());
    this.#declared.set(key, { pool, memoryBytes, timeoutMs });
    return pool;
  }
}
