// A scheduler small enough to be seen through: a shelf with so many containers, one per request, and a queue for it. What the
// tests of the wire put behind the services that hand containers out.

import { LocusError } from "#runtime/errors.ts";
import type {
  AcquiredContainer,
  ContainerScheduler,
  ContainerUsed,
  ContainerWanted,
} from "#scheduler/grpc/scheduler-service.ts";

export class ContainerShelf implements ContainerScheduler {
  readonly #free: string[];
  /** By request. */
  readonly #held = new Map<string, string>();
  readonly #queue = new Map<string, (container: string) => void>();
  readonly wanted: ContainerWanted[] = [];
  readonly used: ContainerUsed[] = [];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, index) => `container-${index}`);
  }

  get free(): number {
    return this.#free.length;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  async acquire(wanted: ContainerWanted, signal: AbortSignal): Promise<AcquiredContainer> {
    const { requestId } = wanted;
    this.wanted.push(wanted);
    const container = this.#free.pop() ?? (await this.#wait(requestId, signal));
    this.#held.set(requestId, container);
    return { nodeId: "node-1", nodeAddress: "127.0.0.1", nodePort: 10_700, containerId: container };
  }

  async giveBack(used: ContainerUsed): Promise<void> {
    const { requestId, containerId } = used;
    this.used.push(used);
    if (this.#held.get(requestId) !== containerId) {
      throw new LocusError("INSTANCE_NOT_FOUND", `request ${requestId} holds no container ${containerId}`);
    }
    this.#held.delete(requestId);
    this.put(containerId);
  }

  /** One more container, or one again. */
  put(container: string): void {
    const [first] = this.#queue;
    if (first === undefined) this.#free.push(container);
    else first[1](container);
  }

  #wait(requestId: string, signal: AbortSignal): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const leave = (): void => {
      this.#queue.delete(requestId);
      signal.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      leave();
      reject(new LocusError("CANCELLED", `request ${requestId} was cancelled`));
    };
    this.#queue.set(requestId, (container) => {
      leave();
      resolve(container);
    });
    signal.addEventListener("abort", onAbort);
    return promise;
  }
}
