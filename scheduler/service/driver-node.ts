// The 2020 contest's NodeService over a driver of ours: containers are its instances, whoever schedules them. One account owns the node at a
// time, and two schedulers never both.

import { randomUUID } from "node:crypto";
import { statfs } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { LocusError } from "#runtime/errors.ts";
import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, ListedInstance } from "../driver/driver.ts";
import type { ContainerNode, ContainerUse, NodeCall, NodeCallResult, NodeStats } from "../grpc/node-service.ts";

/** The contest's: 0.67 of a core for each GiB of a function's memory. */
const CPUS_PER_GIB = 0.67;
const CPUS_MIN = 0.05;
const GIB = 2 ** 30;

/** Where a node finds what it is told to run. */
interface FunctionSource {
  /** Rejects with FUNCTION_NOT_FOUND. */
  image(functionName: string): Promise<FunctionImage>;
}

export interface DriverNodeOptions {
  readonly driver: Driver;
  readonly functions: FunctionSource;
  /** That it offers to containers. */
  readonly memoryBytes: number;
  /** Calls at once in one container. The contest's schedulers may send more than one. */
  readonly concurrency: number;
  /** Where its disk is looked at. */
  readonly folder: string;
}

export class DriverNode implements ContainerNode {
  readonly #options: DriverNodeOptions;
  readonly #liveId = randomUUID();
  #owner = "";
  /** CPU time of each container when it was last looked at. */
  #seen = new Map<string, { readonly cpuUs: number; readonly atMs: number }>();

  constructor(options: DriverNodeOptions) {
    this.#options = options;
  }

  async reserve({ ownerAccountId }: Parameters<ContainerNode["reserve"]>[0]): Promise<void> {
    if (this.#owner !== "" && this.#owner !== ownerAccountId) {
      throw new LocusError("PERMISSION_DENIED", "the node is reserved for another account");
    }
    this.#owner = ownerAccountId;
  }

  async createContainer(
    { meta }: Parameters<ContainerNode["createContainer"]>[0],
    signal?: AbortSignal,
  ): Promise<string> {
    const { driver, functions, concurrency } = this.#options;
    const image = await functions.image(meta.functionName);
    const id = randomUUID();
    const cpus = Math.max(CPUS_MIN, (meta.memoryBytes / GIB) * CPUS_PER_GIB);
    await driver.start({ id, image, memoryBytes: meta.memoryBytes, cpus, concurrency }, signal);
    return id;
  }

  async removeContainer({ containerId }: Parameters<ContainerNode["removeContainer"]>[0]): Promise<void> {
    await this.#options.driver.stop(containerId);
    this.#seen.delete(containerId);
  }

  async invoke({ requestId, containerId, event, meta }: NodeCall, signal?: AbortSignal): Promise<NodeCallResult> {
    const argsJson = event.length === 0 ? "null" : event.toString();
    const call = { keys: [], argsJson, deadlineMs: meta.timeoutMs, logs: true, id: requestId };
    const outcome = await this.#options.driver.invoke(containerId, call, signal);
    const instances = await this.#options.driver.list();
    const used = instances.find(({ id }) => id === containerId)?.use?.memoryBytes ?? 0;
    return resultOf(outcome, used);
  }

  async stats(): Promise<NodeStats> {
    const { driver, memoryBytes, folder } = this.#options;
    const [instances, disk] = await Promise.all([driver.list(), statfs(folder)]);
    const containers = instances.map((instance) => this.#useOf(instance));
    const used = containers.reduce((sum, { usedMemoryBytes }) => sum + usedMemoryBytes, 0);
    return {
      node: {
        totalMemoryBytes: memoryBytes,
        usedMemoryBytes: used,
        availableMemoryBytes: Math.max(0, memoryBytes - used),
        // Of all that the machine does: there is no better figure for a minute.
        cpuPercent: Math.min(loadavg()[0] ?? 0, availableParallelism()) * 100,
        diskTotalBytes: disk.blocks * disk.bsize,
        diskAvailableBytes: disk.bavail * disk.bsize,
        diskTotalInodes: disk.files,
        diskFreeInodes: disk.ffree,
      },
      containers,
      liveId: this.#liveId,
      ownerAccountId: this.#owner,
    };
  }

  /** A driver that cannot tell has an instance use what it may. */
  #useOf({ id, memoryBytes, use }: ListedInstance): ContainerUse {
    const before = this.#seen.get(id);
    const now = { cpuUs: use?.cpuUs ?? 0, atMs: performance.now() };
    this.#seen.set(id, now);
    const elapsedUs = before === undefined ? 0 : (now.atMs - before.atMs) * 1e3;
    return {
      containerId: id,
      totalMemoryBytes: memoryBytes,
      usedMemoryBytes: use?.memoryBytes ?? memoryBytes,
      cpuPercent: elapsedUs > 0 ? ((now.cpuUs - (before?.cpuUs ?? 0)) / elapsedUs) * 100 : 0,
    };
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
