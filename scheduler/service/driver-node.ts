// The 2020 contest's NodeService over a driver of ours: containers are its instances, whoever schedules them. One account owns the node at a
// time, and two schedulers never both: it is nobody's again when whoever has it, though he has never said his name, has asked nothing of it for long. One
// that our own schedulers have is theirs for good: they come and go, and call its containers past the service.

import { randomUUID } from "node:crypto";
import { statfs } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { LocusError } from "#runtime/errors.ts";
import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceCall, ListedInstance } from "../driver/driver.ts";
import type { HostedInstance } from "../grpc/capacity-desk.ts";
import {
  type ContainerNode,
  type ContainerUse,
  type FunctionMeta,
  type NodeCall,
  type NodeCallResult,
  type NodeStats,
  usedOf,
} from "../grpc/node-service.ts";
import { CONTEST_CPUS_PER_GIB } from "../settings.ts";
import { inTime } from "../driver/in-time.ts";

const CPUS_MIN = 0.05;
const GIB = 2 ** 30;
const MIB = 2 ** 20;
/**
 * An owner that has not reserved the node again, or made or called a container, for so long has ended, or has given it back: the contest's protocol has no
 * word for that. Chosen: some times the look of a scheduler of ours, and time enough for one to be started again.
 */
const OWNER_SILENT_MS = 30_000;
/**
 * The same where it has containers and their owner is not known to reserve again: he may be there and have no calls for them. As long as the contests'
 * reference keeps what is idle.
 */
const USER_SILENT_MS = 300_000;
/** Whose a node is that is used and that nobody has reserved: schedulers of the contest's protocol need not. */
const UNNAMED_OWNER = "not reserved, but used";
/** What instances use is waited for no longer: a node that is silent because its engine is slow would pass for lost. Chosen. */
const LOOK_MS = 200;
/** Calls of others have it looked at no more often: to look costs a question to an engine for each container. Chosen. */
const LOOK_EVERY_MS = 500;

/** Where a node finds what it is told to run. */
interface FunctionSource {
  /** `functionName`: a name, or `name@version`. Rejects with FUNCTION_NOT_FOUND, VERSION_NOT_FOUND. */
  image(functionName: string): Promise<FunctionImage>;
}

/** As it was made. */
interface Container {
  readonly name: string;
  readonly meta: FunctionMeta;
  /** When it was last looked at; 0 before that. */
  usedBytes: number;
  /** Calls of nodes of ours. A container that is removed takes no more, and ends with the last. */
  readonly calls: Set<Promise<unknown>>;
  removed: Promise<void> | null;
}

export interface DriverNodeOptions {
  readonly driver: Driver;
  readonly functions: FunctionSource;
  /** That it offers to containers. */
  readonly memoryBytes: number;
  /** What its machine has free of that now, whoever uses the rest. */
  readonly availableBytes: () => number;
  /** Cores of a container that a scheduler of ours has made: it promises CPU as it is used, and holds none to a share. Others have the contest's share. */
  readonly instanceCpus: number;
  /** What such a container has beside its function's own memory, for the program that runs it. Others have what they were made with, all in all. */
  readonly ownMemoryBytes: number;
  /** Where its disk is looked at. */
  readonly folder: string;
  /** Whose it is for good, and nobody reserves it, of whatever name; null: whoever's reserves it. */
  readonly owner: string | null;
}

export class DriverNode implements ContainerNode {
  readonly #options: DriverNodeOptions;
  readonly #liveId = randomUUID();
  readonly #containers = new Map<string, Container>();
  #served = 0;
  #cpuUs = 0;
  #looking: Promise<void> | null = null;
  #lookedMs = -Infinity;
  #isDraining = false;
  #owner = "";
  /** When it was used or reserved last, and when the latter. */
  #askedMs = -Infinity;
  #reservedMs = -Infinity;
  /** Its owner has reserved it more than once, and is whoever uses it: he would go on if he were there. */
  #reservesAgain = false;
  /** What others than nodes of ours have asked for and is under way: containers, their calls, their ends. */
  #asking = 0;
  /** CPU time of each container when it was last looked at. */
  #seen = new Map<string, { readonly cpuUs: number; readonly atMs: number }>();

  constructor(options: DriverNodeOptions) {
    this.#options = options;
  }

  async reserve({ ownerAccountId }: Parameters<ContainerNode["reserve"]>[0]): Promise<void> {
    const isOurs = this.#options.owner !== null;
    // Two without a name may be two.
    const isAnother = ownerAccountId === "" || this.#owner !== ownerAccountId;
    if (isOurs || (this.#isTaken && isAnother)) {
      throw new LocusError("PERMISSION_DENIED", "the node is another account's, which has reserved or used it of late");
    }
    this.#owner = ownerAccountId;
    this.#reservesAgain = !isAnother;
    this.#reservedMs = performance.now();
    this.#askedMs = this.#reservedMs;
  }

  createContainer(
    { name, meta }: Parameters<ContainerNode["createContainer"]>[0],
    signal?: AbortSignal,
  ): Promise<string> {
    return this.#asked(null, () => this.#create(name, meta, signal));
  }

  async #create(name: string, meta: FunctionMeta, signal: AbortSignal | undefined): Promise<string> {
    const { driver, functions, instanceCpus, ownMemoryBytes } = this.#options;
    const image = await functions.image(meta.functionName);
    const id = randomUUID();
    const isOurs = meta.functionName.includes("@");
    const cpus = isOurs ? instanceCpus : Math.max(CPUS_MIN, (meta.memoryBytes / GIB) * CONTEST_CPUS_PER_GIB);
    const memoryBytes = meta.memoryBytes + (isOurs ? ownMemoryBytes : 0);
    const { concurrency } = image.description.limits;
    const { ended } = await driver.start({ id, image, memoryBytes, cpus, concurrency }, signal);
    this.#containers.set(id, { name, meta, usedBytes: 0, calls: new Set(), removed: null });
    void ended.then(() => this.#forget(id));
    return id;
  }

  /** Calls that have come over the service. */
  get served(): number {
    return this.#served;
  }

  /** Some of them are under way. */
  get isServing(): boolean {
    for (const { calls } of this.#containers.values()) if (calls.size > 0) return true;
    return false;
  }

  /** CPU time of all calls, µs. */
  get cpuUs(): number {
    return this.#cpuUs;
  }

  /** Takes no more calls of nodes of ours. Resolves when those that run have ended; their callers must be able to reach it until then. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await Promise.allSettled([...this.#containers.values()].flatMap(({ calls }) => [...calls]));
  }

  /** All that are here, whoever had them made; those that end are nobody's to have. */
  async hosted(): Promise<readonly HostedInstance[]> {
    await this.#look();
    return [...this.#containers].flatMap(([id, { name, meta, usedBytes, removed }]) => {
      if (removed !== null) return [];
      const shape = { key: meta.functionName, memoryMb: meta.memoryBytes / MIB, timeoutMs: meta.timeoutMs };
      return [{ id, name, shape, usedMb: usedBytes / MIB }];
    });
  }

  removeContainer({ containerId }: Parameters<ContainerNode["removeContainer"]>[0]): Promise<void> {
    return this.#asked(containerId, () => this.#remove(containerId));
  }

  async #remove(containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return this.#stop(containerId);
    container.removed ??= Promise.allSettled(container.calls).then(() => this.#stop(containerId));
    await container.removed;
  }

  async invoke(nodeCall: NodeCall, signal?: AbortSignal): Promise<NodeCallResult> {
    const { requestId, containerId, event, meta, own } = nodeCall;
    this.#served++;
    const argsJson = event.length === 0 ? "null" : event.toString();
    const call = {
      keys: own?.keys ?? [],
      argsJson,
      deadlineMs: meta.timeoutMs,
      logs: own?.logs ?? true,
      id: requestId,
    };
    if (own !== undefined) {
      return { ...NOTHING_TOLD, outcome: await this.run(containerId, { ...call, mayWrite: own.mayWrite }, signal) };
    }
    // The call waits for none of it: what its container uses is told as far as it is known when the call has ended.
    if (performance.now() - this.#lookedMs >= LOOK_EVERY_MS) void this.#looked();
    const outcome = await this.#asked(containerId, () => this.#options.driver.invoke(containerId, call, signal));
    this.#cpuUs += outcome.usage.cpuUs;
    return resultOf(outcome, this.#containers.get(containerId)?.usedBytes ?? 0);
  }

  /** A call of a node of ours, this one included. Rejects with INSTANCE_NOT_FOUND where there is no such container, or it ends. */
  async run(containerId: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const container = this.#containers.get(containerId);
    if (this.#isDraining || container === undefined || container.removed !== null) {
      throw new LocusError("INSTANCE_NOT_FOUND", `there is no container ${containerId}, or it ends`);
    }
    const running = this.#options.driver.invoke(containerId, call, signal);
    container.calls.add(running);
    try {
      const outcome = await running;
      this.#cpuUs += outcome.usage.cpuUs;
      return outcome;
    } finally {
      container.calls.delete(running);
    }
  }

  async stats(): Promise<NodeStats> {
    const { driver, memoryBytes, availableBytes, folder } = this.#options;
    const [instances, disk] = await Promise.all([driver.list(), statfs(folder)]);
    const containers = instances.map((instance) => this.#useOf(instance));
    const used = containers.reduce((sum, one) => sum + usedOf(one), 0);
    return {
      node: {
        totalMemoryBytes: memoryBytes,
        usedMemoryBytes: used,
        // Containers may come to use what they have not yet, and others use what is no container's: the less counts.
        availableMemoryBytes: Math.max(0, Math.min(memoryBytes - used, Math.floor(availableBytes()))),
        // Of all that the machine does: there is no better figure for a minute.
        cpuPercent: Math.min(loadavg()[0] ?? 0, availableParallelism()) * 100,
        diskTotalBytes: disk.blocks * disk.bsize,
        diskAvailableBytes: disk.bavail * disk.bsize,
        diskTotalInodes: disk.files,
        diskFreeInodes: disk.ffree,
      },
      containers,
      liveId: this.#liveId,
      ownerAccountId: this.#ownerNow,
    };
  }

  /** Empty: it is nobody's. */
  get #ownerNow(): string {
    const { owner } = this.#options;
    if (owner !== null) return owner;
    if (!this.#isTaken) return "";
    return this.#owner === "" ? UNNAMED_OWNER : this.#owner;
  }

  /** Somebody has reserved or used it of late. Who uses it may be another than who reserved it last: calls name no account. */
  get #isTaken(): boolean {
    if (this.#asking > 0) return true;
    const silentMaxMs = this.#reservesAgain || this.#containers.size === 0 ? OWNER_SILENT_MS : USER_SILENT_MS;
    return performance.now() - this.#askedMs < silentMaxMs;
  }

  /**
   * What is asked for by others than nodes of ours: of a container, or a new one (null). What concerns none that is here is no use: after a restart of the
   * node callers name those of before, and it would be taken from the scheduler that has it.
   */
  async #asked<Value>(containerId: string | null, work: () => Promise<Value>): Promise<Value> {
    if (containerId !== null && !this.#containers.has(containerId)) return work();
    if (performance.now() - this.#reservedMs >= OWNER_SILENT_MS) this.#reservesAgain = false;
    let isUse = containerId !== null;
    this.#asking++;
    try {
      const value = await work();
      isUse = true;
      return value;
    } finally {
      this.#asking--;
      if (isUse) this.#askedMs = performance.now();
    }
  }

  /** Notes what containers use, as far as that is known in time; a look that takes longer is the next one's as well. */
  async #look(): Promise<void> {
    // A timer that is taken back at once wakes an idle process all the same.
    if (this.#containers.size > 0) await inTime(this.#looked(), LOOK_MS);
  }

  /** Never rejects. */
  #looked(): Promise<void> {
    if (this.#looking !== null) return this.#looking;
    this.#lookedMs = performance.now();
    this.#looking = this.#options.driver
      .list()
      .then((instances) => {
        for (const { id, use } of instances) {
          const container = this.#containers.get(id);
          if (container !== undefined && use !== null) container.usedBytes = use.memoryBytes;
        }
      })
      .catch(() => {})
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  async #stop(containerId: string): Promise<void> {
    await this.#options.driver.stop(containerId);
    this.#forget(containerId);
  }

  #forget(containerId: string): void {
    this.#containers.delete(containerId);
    this.#seen.delete(containerId);
  }

  /** Of one whose driver cannot tell now, CPU is told of at the next look since the one before this. */
  #useOf({ id, memoryBytes, use }: ListedInstance): ContainerUse {
    const told = { containerId: id, totalMemoryBytes: memoryBytes };
    if (use === null) return { ...told, usedMemoryBytes: 0, cpuPercent: 0 };
    const before = this.#seen.get(id);
    const now = { cpuUs: use.cpuUs, atMs: performance.now() };
    this.#seen.set(id, now);
    const elapsedUs = before === undefined ? 0 : (now.atMs - before.atMs) * 1e3;
    const cpuPercent = elapsedUs > 0 ? ((now.cpuUs - (before?.cpuUs ?? 0)) / elapsedUs) * 100 : 0;
    return { ...told, usedMemoryBytes: use.memoryBytes, cpuPercent };
  }
}

/** Codes that are not the function's: the call is refused, and its caller told by a status. */
const REFUSALS: readonly string[] = [
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "OVERLOADED",
  "SIDE_UNAVAILABLE",
  "ARGS_INVALID",
  "ARGS_TOO_LARGE",
];

/** Of a call of another node of ours: the outcome says it all. */
const NOTHING_TOLD: NodeCallResult = {
  body: new Uint8Array(),
  error: new Uint8Array(),
  handled: true,
  statusCode: "",
  headers: {},
  memoryBytesMax: 0,
  log: "",
  durationNanos: 0,
};

function resultOf(outcome: Outcome, memoryBytesMax: number): NodeCallResult {
  const about = {
    headers: {},
    memoryBytesMax,
    log: outcome.logs.join("\n"),
    durationNanos: Math.round(outcome.usage.wallUs * 1e3),
  };
  const nothing = new Uint8Array();
  if (outcome.ok)
    return { ...about, body: Buffer.from(outcome.resultJson), error: nothing, handled: true, statusCode: "200" };
  const { code, message } = outcome.error;
  if (REFUSALS.includes(code)) throw new LocusError(code, message);
  return {
    ...about,
    body: nothing,
    error: Buffer.from(message),
    handled: code === "FUNCTION_FAILED",
    statusCode: code,
  };
}
