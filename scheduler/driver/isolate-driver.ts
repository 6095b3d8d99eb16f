// Instances as slots in a sandbox host, the default: an instance is leave to run so many calls of one function at once, in whichever isolate
// the supervisor has for it. Its limits are the function's own.

import { LocusError } from "#runtime/errors.ts";
import type { Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceCall, InstanceSpec, ListedInstance, StartedInstance } from "./driver.ts";
import { checkCpus, checkMemory, checkSpec, failure, notFound, refusalOf } from "./instance-bounds.ts";

/** Slots in one driver; one more is refused. Chosen: some hundred bytes each. */
const INSTANCES_MAX = 100_000;

interface Slot {
  spec: InstanceSpec;
  readonly calls: Set<AbortController>;
  readonly ended: PromiseWithResolvers<string>;
}

export class IsolateDriver implements Driver {
  readonly #supervisor: Pick<Supervisor, "invoke" | "ready">;
  readonly #slots = new Map<string, Slot>();

  /** The supervisor stays its owner's. */
  constructor(supervisor: Pick<Supervisor, "invoke" | "ready">) {
    this.#supervisor = supervisor;
  }

  async start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance> {
    checkSpec(spec, 1);
    if (this.#slots.has(spec.id)) throw new LocusError("REQUEST_INVALID", `there is an instance ${spec.id} already`);
    if (this.#slots.size >= INSTANCES_MAX) {
      throw new LocusError("OVERLOADED", `instance ${spec.id}: there are ${INSTANCES_MAX} already`);
    }
    const slot: Slot = { spec, calls: new Set(), ended: Promise.withResolvers() };
    this.#slots.set(spec.id, slot);
    try {
      await this.#supervisor.ready();
      signal?.throwIfAborted();
    } catch (cause) {
      this.#slots.delete(spec.id);
      if (signal?.aborted) throw new LocusError("CANCELLED", `instance ${spec.id}: nobody waits for it any more`);
      throw new LocusError("INSTANCE_FAILED", `instance ${spec.id}: ${(cause as Error).message}`, { cause });
    }
    if (this.#slots.get(spec.id) !== slot)
      throw new LocusError("INSTANCE_FAILED", `instance ${spec.id} was stopped while it started`);
    return { ended: slot.ended.promise };
  }

  async invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const { spec, calls } = this.#slot(id);
    const refusal = refusalOf(call);
    if (refusal !== null) return refusal;
    if (calls.size >= spec.concurrency) return failure("OVERLOADED", `instance ${id} runs ${calls.size} calls already`);
    const stop = new AbortController();
    calls.add(stop);
    const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    try {
      const outcome = await this.#supervisor.invoke({ image: spec.image, ...call }, either);
      if (stop.signal.aborted) return failure("SANDBOX_DIED", `instance ${id} was stopped while the call ran`);
      return outcome;
    } finally {
      calls.delete(stop);
    }
  }

  async limit(id: string, cpus: number): Promise<boolean> {
    const slot = this.#slot(id);
    checkCpus(id, cpus);
    slot.spec = { ...slot.spec, cpus };
    return false;
  }

  async resize(id: string, memoryBytes: number): Promise<boolean> {
    const slot = this.#slot(id);
    checkMemory(id, memoryBytes, 1);
    slot.spec = { ...slot.spec, memoryBytes };
    return false;
  }

  async stop(id: string): Promise<void> {
    const { calls, ended } = this.#slot(id);
    this.#slots.delete(id);
    for (const call of calls) call.abort();
    ended.resolve("it was stopped");
  }

  async list(): Promise<readonly ListedInstance[]> {
    return Array.from(this.#slots.values(), ({ spec, calls }) => ({
      id: spec.id,
      function: spec.image.description.name,
      memoryBytes: spec.memoryBytes,
      cpus: spec.cpus,
      inFlight: calls.size,
      use: null,
    }));
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#slots.keys(), (id) => this.stop(id)));
  }

  #slot(id: string): Slot {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw notFound(id);
    return slot;
  }
}
