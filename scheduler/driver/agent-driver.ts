// Instances that are agents of their own: the driver of processes, and of containers, which differ in how an agent is launched.

import { LocusError } from "#runtime/errors.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { AGENT_MEMORY_BYTES_MIN, AgentInstance, type AgentLauncher, END_MS } from "./agent-instance.ts";
import type { Driver, InstanceCall, InstanceSpec, InstanceUse, ListedInstance, StartedInstance } from "./driver.ts";
import { inTime } from "./in-time.ts";
import { checkCpus, checkMemory, checkSpec, failure, notFound, refusalOf } from "./instance-bounds.ts";

/** One more is refused. Chosen: each is a process. */
const INSTANCES_MAX = 1_000;
/** What an instance uses is waited for no longer: one that does not tell holds up what is told of the others. Chosen. */
const USE_MS = 5_000;

interface Held {
  spec: InstanceSpec;
  /** null while it is launched. */
  instance: AgentInstance | null;
  /** Of one that is stopped before it is launched. */
  stopped: boolean;
  readonly gone: PromiseWithResolvers<void>;
}

export class AgentDriver implements Driver {
  readonly #launcher: AgentLauncher;
  readonly #held = new Map<string, Held>();
  #closed: Promise<void> | undefined;

  /** The launcher is closed with it. */
  constructor(launcher: AgentLauncher) {
    this.#launcher = launcher;
  }

  async start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance> {
    const { id } = spec;
    checkSpec(spec, AGENT_MEMORY_BYTES_MIN);
    if (this.#closed !== undefined) throw new LocusError("INSTANCE_FAILED", `instance ${id}: the driver is closed`);
    if (this.#held.has(id)) throw new LocusError("REQUEST_INVALID", `there is an instance ${id} already`);
    if (this.#held.size >= INSTANCES_MAX) {
      throw new LocusError("OVERLOADED", `instance ${id}: there are ${INSTANCES_MAX} already`);
    }
    const held: Held = { spec, instance: null, stopped: false, gone: Promise.withResolvers() };
    this.#held.set(id, held);
    try {
      const instance = await this.#launch(held, signal);
      return { ended: instance.ended };
    } catch (error) {
      if (held.instance === null) this.#forget(held);
      throw error;
    }
  }

  async invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const { spec, instance } = this.#running(id);
    const refusal = refusalOf(call);
    if (refusal !== null) return refusal;
    if (signal?.aborted) return failure("CANCELLED", "the call was cancelled before it began");
    if (instance.inFlight >= spec.concurrency) {
      return failure("OVERLOADED", `instance ${id} runs ${instance.inFlight} calls already`);
    }
    const deadlineMs = Math.min(call.deadlineMs, spec.image.description.limits.deadlineMs);
    return instance.invoke({ ...call, deadlineMs }, signal);
  }

  async limit(id: string, cpus: number): Promise<boolean> {
    const { held, instance } = this.#running(id);
    checkCpus(id, cpus);
    const holds = await instance.agent.limit(cpus);
    held.spec = { ...held.spec, cpus };
    return holds;
  }

  async resize(id: string, memoryBytes: number): Promise<boolean> {
    const { held, instance } = this.#running(id);
    checkMemory(id, memoryBytes, AGENT_MEMORY_BYTES_MIN);
    const holds = await instance.agent.resize(memoryBytes);
    held.spec = { ...held.spec, memoryBytes };
    return holds;
  }

  async stop(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (held === undefined) throw notFound(id);
    held.stopped = true;
    // One that is being launched ends when it is there.
    if (await (held.instance?.stop("it was stopped") ?? inTime(held.gone.promise, END_MS))) return;
    throw new LocusError("INSTANCE_FAILED", `instance ${id} was told to end, and has not within ${END_MS} ms`);
  }

  async list(): Promise<readonly ListedInstance[]> {
    const running = [...this.#held.values()].filter(({ instance }) => instance !== null);
    return Promise.all(
      running.map(async ({ spec, instance }) => ({
        id: spec.id,
        function: spec.image.description.name,
        memoryBytes: spec.memoryBytes,
        cpus: spec.cpus,
        inFlight: instance?.inFlight ?? 0,
        use: instance === null ? null : await useOf(instance),
      })),
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // What has not ended by then the launcher removes, or whoever owns it next.
    await Promise.allSettled(Array.from(this.#held.keys(), (id) => this.stop(id)));
    await inTime(this.#launcher.close(), END_MS);
  }

  async #launch(held: Held, signal: AbortSignal | undefined): Promise<AgentInstance> {
    const { spec } = held;
    const cancelled = (): LocusError =>
      new LocusError("CANCELLED", `instance ${spec.id}: nobody waits for it any more`);
    if (signal?.aborted) throw cancelled();
    const instance = new AgentInstance(spec.id, await this.#launcher.launch(spec));
    held.instance = instance;
    void instance.ended.then(() => this.#forget(held));
    if (held.stopped || signal?.aborted) {
      await instance.stop("it was stopped");
      throw held.stopped
        ? new LocusError("INSTANCE_FAILED", `instance ${spec.id} was stopped while it started`)
        : cancelled();
    }
    await instance.load(spec, this.#launcher.data, signal);
    return instance;
  }

  #forget(held: Held): void {
    this.#held.delete(held.spec.id);
    held.gone.resolve();
  }

  #running(id: string): { readonly held: Held; readonly spec: InstanceSpec; readonly instance: AgentInstance } {
    const held = this.#held.get(id);
    if (held === undefined || held.instance === null) throw notFound(id);
    return { held, spec: held.spec, instance: held.instance };
  }
}

async function useOf({ agent }: AgentInstance): Promise<InstanceUse | null> {
  const use = agent.use();
  return (await inTime(use, USE_MS)) ? use : null;
}
