// The scheduler of the node that controls, and what it keeps in Redis: where it listens, so that other nodes find it, and what it has learned, so
// that whoever controls next begins with that.

import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { type ErrorCode, LocusError } from "#runtime/errors.ts";
import type { NodeDescription } from "#scheduler/node/node.ts";
import type { SchedulerObserver } from "#scheduler/live-scheduler.ts";
import type { ContainerNode } from "#scheduler/grpc/node-service.ts";
import type { SavedScheduler } from "#scheduler/scheduler.ts";
import { LiveDesk } from "#scheduler/service/live-desk.ts";
import { policyOf, type PolicyName } from "#scheduler/service/policy-choice.ts";
import { keepSecret } from "./shared-secret.ts";
import { StorageIsolates } from "./storage-isolates.ts";

const ENDPOINT_KEY = "locus:controller:endpoint";
const STATE_KEY = "locus:controller:scheduler";
const SAVE_MS = 5_000;
/** Of what is saved, in characters; more is not kept. Some hundred bytes for each function. */
const STATE_LENGTH_MAX = 4 * 1024 * 1024;
/** Saving is not waited for any longer when the node leaves. */
const LAST_SAVE_MS = 500;
const PASSING: ReadonlySet<ErrorCode> = new Set(["REDIS_UNAVAILABLE", "STORAGE_REFUSED"]);

export interface ControllerEndpoint {
  readonly node: string;
  readonly address: string;
  readonly port: number;
}

/** null: nobody has said, or what stands there is no endpoint. */
export async function readEndpoint(redis: Redis): Promise<ControllerEndpoint | null> {
  const { node, address, port } = objectIn(await redis.get(ENDPOINT_KEY));
  if (typeof node !== "string" || typeof address !== "string" || typeof port !== "number") return null;
  return { node, address, port };
}

export interface ControlledDeskOptions {
  readonly redis: Redis;
  /** Whether this node controls still: another's word is not overwritten. */
  readonly isHeld: () => boolean;
  readonly endpoint: ControllerEndpoint;
  /** That the nodes keep in Redis; null: they were given one. */
  readonly sharedSecret: string | null;
  readonly policy: PolicyName;
  /** Of all functions together; null: instances are not divided, and threads beside the data are as many as the module has room for. */
  readonly instancesMax: number | null;
  readonly storageThreadsMax: number | null;
  readonly observer: SchedulerObserver;
  readonly connect: (node: NodeDescription) => Pick<ContainerNode, "createContainer" | "removeContainer">;
  readonly log: Pick<Logger, "warn">;
}

export class ControlledDesk {
  readonly desk: LiveDesk;
  readonly #options: ControlledDeskOptions;
  readonly #timer: NodeJS.Timeout;
  /** When it was last saved. It is told once. */
  #wasTooLong = false;
  #saving: Promise<unknown> = Promise.resolve();

  private constructor(options: ControlledDeskOptions, saved: SavedScheduler | null) {
    const { redis, policy, instancesMax, storageThreadsMax, observer, connect, log } = options;
    this.#options = options;
    const threads = {
      holder: new StorageIsolates(redis),
      total: storageThreadsMax,
      onError: (error: Error) => {
        // That Redis is away is told by others, and passes.
        const passes = error instanceof LocusError && PASSING.has(error.code);
        if (!passes) log.warn({ reason: error.message }, "threads beside the data are not divided");
      },
    };
    const totals = { instances: instancesMax, threads };
    this.desk = new LiveDesk({ policy: policyOf(policy), observer, connect, saved, totals });
    this.#timer = setInterval(() => this.#save(), SAVE_MS).unref();
  }

  /** Rejects as ioredis does, while Redis is away. */
  static async open(options: ControlledDeskOptions): Promise<ControlledDesk> {
    const { redis, endpoint, log } = options;
    const state = objectIn(await redis.get(STATE_KEY)) as Partial<SavedScheduler>;
    const isSaved = typeof state.functions === "object" && state.functions !== null && typeof state.policy === "string";
    const saved = isSaved ? (state as SavedScheduler) : null;
    await redis.set(ENDPOINT_KEY, JSON.stringify(endpoint));
    try {
      return new ControlledDesk(options, saved);
    } catch (error) {
      // Of another release, or somebody else's: what was learned is learned again.
      log.warn({ reason: (error as Error).message }, "what the scheduler had learned cannot be read");
      return new ControlledDesk(options, null);
    }
  }

  /** Instances go on, for whoever controls next. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#save();
    this.desk.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LAST_SAVE_MS);
    await Promise.race([this.#saving, promise]);
    clearTimeout(timer);
  }

  #save(): void {
    const { redis, endpoint, sharedSecret: secret, isHeld, log } = this.#options;
    if (!isHeld()) return;
    const text = JSON.stringify(this.desk.save());
    const isTooLong = text.length > STATE_LENGTH_MAX;
    if (isTooLong && !this.#wasTooLong) {
      log.warn(
        { length: text.length, most: STATE_LENGTH_MAX },
        "what the scheduler has learned is too much to be kept",
      );
    }
    this.#wasTooLong = isTooLong;
    this.#saving = redis
      // Where somebody has emptied Redis, nodes find their way again.
      .set(ENDPOINT_KEY, JSON.stringify(endpoint))
      .then(() => (secret === null ? undefined : keepSecret(redis, secret)))
      .then(() => (isTooLong ? undefined : redis.set(STATE_KEY, text)))
      .catch(() => {});
  }
}

/** Of a text that anybody who may write in Redis may have written. */
function objectIn(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
