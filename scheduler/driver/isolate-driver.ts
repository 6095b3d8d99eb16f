// Instances as isolates in a sandbox host, the default: for each instance of a function version one is kept open, as far as the instances'
// CPUs go and the node's cores have a use for it. The calls of a version share its isolates, and an instance bounds how many of them run at once.

import { clamp } from "#runtime/clamp.ts";
import { LocusError } from "#runtime/errors.ts";
import {
  ISOLATES_MAX,
  NO_BOUNDS,
  type FunctionImage,
  type FunctionState,
  type Outcome,
  type Supervisor,
} from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceCall, InstanceSpec, ListedInstance, StartedInstance } from "./driver.ts";
import { checkCpus, checkMemory, checkSpec, failure, INSTANCES_MAX, notFound, refusalOf } from "./instance-bounds.ts";

/** Sums of CPUs are exact up to this. */
const CPUS_EPSILON = 1e-6;
const MIB = 2 ** 20;
/**
 * Isolates of a version are to take so many calls at once for each core, and there is one for each core at least: while some wait for Redis others compute, and a further thread would only take its turns
 * from the node's own. As many as one isolate takes unless its function says otherwise. Chosen, not measured.
 */
const CALLS_PER_CORE = 32;
/** Where calls mostly wait, for a Redis that is far away or for a timer, these are too few. Of the node's cores so much is free then at least … */
const FREE_SHARE = 0.25;
/** … for so long, and one isolate more is kept for the version of which most calls wait for one. Where less than this is free, one less of each: each would have a part of a core. All chosen. */
const LOOK_MS = 250;
const FULL_SHARE = 0.05;
/** Looks without one more after there had to be one less, at first and at most: they double. One less is kept where it was not needed for so many looks. */
const [REST_LOOKS_MIN, REST_LOOKS_MAX, UNUSED_LOOKS] = [4, 256, 4] as const;
/** Why an instance ended, and why its calls did. */
const STOPPED = "it was stopped";

type Isolates = Pick<Supervisor, "invoke" | "keep" | "functionState">;

/** Of the node that the isolates are on. */
export interface NodeCpu {
  readonly cores: number;
  /** That it and its sandbox hosts have used since some time, µs. */
  readonly cpuUs: () => number;
  /** For so long the cores that it may use had nothing to do since some time, whoever else uses them, µs; all together. */
  readonly idleUs: () => number;
}

interface OpenInstance {
  spec: InstanceSpec;
  readonly version: Version;
  readonly calls: Set<AbortController>;
  readonly ended: PromiseWithResolvers<string>;
  /** That have ended since CPU time was shared out. */
  callsEnded: number;
  cpuUs: number;
}

/** What the instances of one function version have in common. */
interface Version {
  readonly image: FunctionImage;
  readonly instances: Set<OpenInstance>;
  /** All of theirs together. */
  cpus: number;
  inFlight: number;
  /** CPU time that has been shared out. */
  sharedCpuUs: number;
  /** Isolates beyond what its node's cores were thought to have a use for: calls waited, and cores were free. */
  more: number;
  /** Looks until there may be one more, and how many they were the last time that one had to go. */
  restLooks: number;
  restedLooks: number;
  /** Looks in which its calls would have had room with one isolate less. */
  unusedLooks: number;
}

export class IsolateDriver implements Driver {
  readonly #supervisor: Isolates;
  readonly #node: NodeCpu;
  readonly #instances = new Map<string, OpenInstance>();
  readonly #versions = new Map<string, Version>();
  /** Rings while calls wait for isolates, or there are more of these than cores were thought to have a use for. */
  #look: NodeJS.Timeout | undefined;

  /** The supervisor stays its owner's; of a version's bounds there nobody else decides. */
  constructor(supervisor: Isolates, node: NodeCpu) {
    this.#supervisor = supervisor;
    this.#node = node;
  }

  async start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance> {
    checkSpec(spec, 1);
    if (this.#instances.has(spec.id))
      throw new LocusError("REQUEST_INVALID", `there is an instance ${spec.id} already`);
    if (this.#instances.size >= INSTANCES_MAX) {
      throw new LocusError("OVERLOADED", `instance ${spec.id}: there are ${INSTANCES_MAX} already`);
    }
    if (signal?.aborted) throw abandoned(spec.id);
    const instance = this.#add(spec);
    const abort = Promise.withResolvers<never>();
    const onAbort = (): void => abort.reject(abandoned(spec.id));
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#ready(instance.version), abort.promise]);
    } catch (cause) {
      if (this.#instances.get(spec.id) === instance) this.#remove(instance);
      throw startError(spec.id, cause);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    if (this.#instances.get(spec.id) !== instance)
      throw new LocusError("INSTANCE_FAILED", `instance ${spec.id} was stopped while it started`);
    return { ended: instance.ended.promise };
  }

  async invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const instance = this.#instance(id);
    const { spec, calls } = instance;
    const refusal = refusalOf(call);
    if (refusal !== null) return refusal;
    if (calls.size >= spec.concurrency) return failure("OVERLOADED", `instance ${id} runs ${calls.size} calls already`);
    const stop = new AbortController();
    calls.add(stop);
    instance.version.inFlight++;
    if (this.#isWanting(instance.version)) this.#lookSoon();
    // Not AbortSignal.any, which lives as long as the caller's where somebody listens to it, as the supervisor does for good.
    const cancel = (): void => stop.abort();
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      const outcome = await this.#supervisor.invoke({ image: spec.image, ...call }, stop.signal);
      if (stop.signal.reason === STOPPED)
        return failure("SANDBOX_DIED", `instance ${id} was stopped while the call ran`);
      return outcome;
    } finally {
      signal?.removeEventListener("abort", cancel);
      calls.delete(stop);
      instance.version.inFlight--;
      instance.callsEnded++;
    }
  }

  /** True: its version has no more isolates than all its instances' CPUs, rounded up. */
  async limit(id: string, cpus: number): Promise<boolean> {
    const instance = this.#instance(id);
    checkCpus(id, cpus);
    instance.version.cpus += cpus - instance.spec.cpus;
    instance.spec = { ...instance.spec, cpus };
    this.#keepLater(instance.version);
    return true;
  }

  /** An isolate's memory is the function's own limit, which is settled when it opens: true where that is within what was asked. */
  async resize(id: string, memoryBytes: number): Promise<boolean> {
    const instance = this.#instance(id);
    checkMemory(id, memoryBytes, 1);
    instance.spec = { ...instance.spec, memoryBytes };
    return instance.spec.image.description.limits.memoryMb * MIB <= memoryBytes;
  }

  async stop(id: string): Promise<void> {
    this.#remove(this.#instance(id));
  }

  async list(): Promise<readonly ListedInstance[]> {
    const states = new Map(Array.from(this.#versions.values(), (version) => [version, this.#share(version)]));
    return Array.from(this.#instances.values(), ({ spec, version, calls, cpuUs }) => {
      const state = states.get(version) ?? null;
      // What one has that shares its isolate with others tells what one alone needs.
      const holders = state === null ? 0 : clamp(state.isolates, 1, version.instances.size);
      return {
        id: spec.id,
        function: spec.image.description.name,
        memoryBytes: spec.memoryBytes,
        cpus: spec.cpus,
        inFlight: calls.size,
        use: state === null ? null : { memoryBytes: Math.round(state.memoryBytes / holders), cpuUs },
      };
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#look);
    const versions = [...this.#versions.values()];
    for (const { instances } of versions) for (const instance of instances) this.#end(instance);
    for (const version of versions) this.#keepLater(version);
  }

  #instance(id: string): OpenInstance {
    const instance = this.#instances.get(id);
    if (instance === undefined) throw notFound(id);
    return instance;
  }

  #add(spec: InstanceSpec): OpenInstance {
    const key = keyOf(spec.image);
    let version = this.#versions.get(key);
    // What has been used up to now was not its own.
    if (version === undefined) {
      const sharedCpuUs = this.#supervisor.functionState(spec.image)?.cpuUs ?? 0;
      version = {
        image: spec.image,
        instances: new Set(),
        cpus: 0,
        inFlight: 0,
        sharedCpuUs,
        more: 0,
        restLooks: 0,
        restedLooks: 0,
        unusedLooks: 0,
      };
      this.#versions.set(key, version);
    } else {
      this.#share(version);
    }
    const ended = Promise.withResolvers<string>();
    const instance: OpenInstance = { spec, version, calls: new Set(), ended, callsEnded: 0, cpuUs: 0 };
    version.instances.add(instance);
    version.cpus += spec.cpus;
    this.#instances.set(spec.id, instance);
    return instance;
  }

  #remove(instance: OpenInstance): void {
    this.#share(instance.version);
    this.#end(instance);
    this.#keepLater(instance.version);
  }

  #end(instance: OpenInstance): void {
    const { spec, version, calls, ended } = instance;
    this.#instances.delete(spec.id);
    version.instances.delete(instance);
    version.cpus -= spec.cpus;
    version.more = clamp(version.instances.size - this.#maxOf(version, 0), 0, version.more);
    if (version.instances.size === 0) this.#versions.delete(keyOf(version.image));
    for (const call of calls) call.abort(STOPPED);
    ended.resolve(STOPPED);
  }

  /** What only shares those that there are waits for none, nor fails with one that is opened because cores were free. */
  async #ready(version: Version): Promise<void> {
    const isKept = this.#keep(version);
    if (version.more > 0 && version.instances.size > this.#maxOf(version, 0)) isKept.catch(() => {});
    else await isKept;
  }

  /** Rejects with what stands in the way of as many as there are to be. */
  async #keep(version: Version): Promise<void> {
    const { image, instances } = version;
    if (instances.size === 0) return await this.#supervisor.keep(image, NO_BOUNDS);
    const max = this.#maxOf(version);
    if (this.#isLookedAfter(version)) this.#lookSoon();
    await this.#supervisor.keep(image, { min: Math.min(instances.size, max), max });
  }

  /** As far as its instances' CPUs go, and the node's cores have a use for more. */
  #maxOf(version: Version, more = version.more): number {
    const { image, cpus } = version;
    const useful = Math.max(1, CALLS_PER_CORE / image.description.limits.concurrency) * this.#node.cores;
    return clamp(Math.ceil(Math.min(cpus, useful + more) - CPUS_EPSILON), 1, ISOLATES_MAX);
  }

  #lookSoon(): void {
    if (this.#look !== undefined) return;
    const { cores, cpuUs, idleUs } = this.#node;
    const [sinceMs, usedBeforeUs, idleBeforeUs] = [performance.now(), cpuUs(), idleUs()];
    const look = (): void => {
      this.#look = undefined;
      const coresOf = (us: number): number => us / 1e3 / (performance.now() - sinceMs);
      const used = coresOf(cpuUs() - usedBeforeUs);
      const idle = coresOf(idleUs() - idleBeforeUs);
      // Hosts that have died take their times with them: nobody knows what is free then.
      const free = used < 0 ? Number.NaN : Math.min(cores - used, Number.isNaN(idle) ? Infinity : idle) / cores;
      this.#follow(free);
      if ([...this.#versions.values()].some((version) => this.#isLookedAfter(version))) this.#lookSoon();
    };
    this.#look = setTimeout(look, LOOK_MS).unref();
  }

  /** `free`: of the node's cores, lately. NaN: nobody knows. */
  #follow(free: number): void {
    const versions = [...this.#versions.values()];
    for (const version of versions) {
      version.restLooks = Math.max(0, version.restLooks - 1);
      version.unusedLooks = this.#hasSpare(version) ? version.unusedLooks + 1 : 0;
      if (version.more === 0) continue;
      if (free < FULL_SHARE) {
        version.restedLooks = clamp(2 * version.restedLooks, REST_LOOKS_MIN, REST_LOOKS_MAX);
        this.#keepLess(version, version.restedLooks);
      } else if (version.unusedLooks >= UNUSED_LOOKS) this.#keepLess(version, 0);
    }
    if (!(free >= FREE_SHARE)) return;
    const wanting = versions.filter((version) => version.restLooks === 0 && this.#isWanting(version));
    if (wanting.length === 0) return;
    const most = wanting.reduce((one, other) => (other.inFlight > one.inFlight ? other : one));
    most.more++;
    // Where there is no room for it nothing is to wait for it, nor is it to come later.
    this.#keep(most).catch(() => this.#keepLess(most, REST_LOOKS_MIN));
  }

  #keepLess(version: Version, restLooks: number): void {
    version.more = Math.max(0, version.more - 1);
    version.restLooks = restLooks;
    version.unusedLooks = 0;
    this.#keepLater(version);
  }

  #isLookedAfter(version: Version): boolean {
    return version.more > 0 || this.#isWanting(version);
  }

  /** Its calls would have room with one isolate less. */
  #hasSpare(version: Version): boolean {
    const { image, inFlight } = version;
    return inFlight <= (this.#maxOf(version) - 1) * image.description.limits.concurrency;
  }

  /** There are calls for which its isolates have no room, and its instances could have more of these. */
  #isWanting(version: Version): boolean {
    const { image, inFlight, instances } = version;
    const { concurrency } = image.description.limits;
    if (inFlight <= concurrency) return false;
    const max = this.#maxOf(version);
    return inFlight > max * concurrency && max < instances.size && max < this.#maxOf(version, Infinity);
  }

  /** Nobody waits for it: calls find out what is missing. */
  #keepLater(version: Version): void {
    this.#keep(version).catch(() => {});
  }

  /** Up to now; the state by which it was shared out. */
  #share(version: Version): FunctionState | null {
    const state = this.#supervisor.functionState(version.image);
    if (state !== null) shareCpu(version, state.cpuUs);
    return state;
  }
}

const keyOf = ({ description }: FunctionImage): string => `${description.name}@${description.version}`;

/** What a version has used since the last time goes to its instances, in proportion to their calls since then. */
function shareCpu(version: Version, cpuUs: number): void {
  // It began anew where the version had nothing open for a while.
  const used = cpuUs < version.sharedCpuUs ? cpuUs : cpuUs - version.sharedCpuUs;
  version.sharedCpuUs = cpuUs;
  if (used === 0) return;
  const weights = Array.from(version.instances, (instance) => ({
    instance,
    calls: instance.callsEnded + instance.calls.size,
  }));
  const calls = weights.reduce((sum, weight) => sum + weight.calls, 0);
  for (const weight of weights) {
    weight.instance.cpuUs += used * (calls === 0 ? 1 / weights.length : weight.calls / calls);
    weight.instance.callsEnded = 0;
  }
}

const abandoned = (id: string): LocusError =>
  new LocusError("CANCELLED", `instance ${id}: nobody waits for it any more`);

function startError(id: string, cause: unknown): LocusError {
  const code = cause instanceof LocusError ? cause.code : "INTERNAL";
  if (code === "CANCELLED") return cause as LocusError;
  const told = code === "FUNCTION_INVALID" || code === "OVERLOADED" ? code : "INSTANCE_FAILED";
  return new LocusError(told, `instance ${id}: ${(cause as Error).message}`, { cause });
}
