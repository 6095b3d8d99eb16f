// The scheduler of the node that controls, and what it keeps in Redis: where it listens, so that other nodes find it, and what it has learned, so
// that whoever controls next begins with that.

import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { every, type Repeated } from "#runtime/shared-timer.ts";
import type { NodeDescription } from "#scheduler/node/node.ts";
import type { SchedulerObserver } from "#scheduler/live-scheduler.ts";
import type { ContainerNode } from "#scheduler/grpc/node-service.ts";
import { LiveDesk } from "#scheduler/service/live-desk.ts";
import { policyOf, type PolicyName } from "#scheduler/service/policy-choice.ts";
import { SchedulerState, type StateStore } from "#scheduler/service/scheduler-state.ts";
import type { SharedSecret } from "./shared-secret.ts";
import { StorageIsolates, tellUndivided } from "./storage-isolates.ts";

const ENDPOINT_KEY = "locus:controller:endpoint";
const STATE_KEY = "locus:controller:scheduler";
/** How often is said again where it listens. */
const SAY_MS = 5_000;

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
  /** Of whoever controls (Controllership): another's word is not overwritten. */
  readonly write: (key: string, text: string) => Promise<boolean>;
  readonly endpoint: ControllerEndpoint;
  /** That the nodes keep in Redis; null: they were given one. */
  readonly sharedSecret: SharedSecret | null;
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
  readonly #state: SchedulerState;
  readonly #sayings: Repeated;

  private constructor(options: ControlledDeskOptions, state: SchedulerState) {
    const { redis, policy, instancesMax, storageThreadsMax, observer, connect, log } = options;
    this.#options = options;
    this.#state = state;
    const threads = {
      holder: new StorageIsolates(redis),
      total: storageThreadsMax,
      onError: (error: Error) => tellUndivided(log, error),
    };
    const totals = { instances: instancesMax, threads };
    this.desk = state.restored((saved) => new LiveDesk({ policy: policyOf(policy), observer, connect, saved, totals }));
    state.keep(() => this.desk.save());
    this.#sayings = every(SAY_MS, () => void this.#say());
  }

  /** Rejects as ioredis does, while Redis is away. */
  static async open(options: ControlledDeskOptions): Promise<ControlledDesk> {
    const { write, endpoint, log } = options;
    const state = await SchedulerState.open(stateIn(options), (reason) => log.warn(reason));
    await write(ENDPOINT_KEY, JSON.stringify(endpoint));
    return new ControlledDesk(options, state);
  }

  /** Instances go on, for whoever controls next. */
  async close(): Promise<void> {
    this.#sayings.stop();
    const kept = this.#state.close();
    this.desk.close();
    await kept;
  }

  /** Where somebody has emptied Redis, nodes find their way again. */
  async #say(): Promise<void> {
    const { write, endpoint, sharedSecret } = this.#options;
    try {
      if (await write(ENDPOINT_KEY, JSON.stringify(endpoint))) await sharedSecret?.agree();
    } catch {
      // The next time is soon.
    }
  }
}

/** That Redis is away is told by others. */
const stateIn = ({ redis, write }: ControlledDeskOptions): StateStore => ({
  read: () => redis.get(STATE_KEY),
  write: async (text) => {
    await write(STATE_KEY, text).catch((error: Error) => {
      if (error.name === "ReplyError") throw error;
    });
  },
});

/** Of a text that anybody who may write in Redis may have written. */
function objectIn(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
