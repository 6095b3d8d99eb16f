// The registry in Redis, over LOCUS.FUNCTION (docs/storage-module.md): one connection for commands and one that listens to
// `locus:functions`. Both come back by themselves. Changes during a loss were not heard, so each return is news.

import type { Redis } from "ioredis";
import type { Logger } from "pino";

import { placeOf } from "#runtime/channel/connection-failure.ts";
import { LocusError } from "#runtime/errors.ts";
import { readDescription } from "#runtime/function/describe.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import {
  connectError,
  openLastingConnection,
  whenBothStand,
  type RedisAddress,
  type RedisUser,
} from "./redis-connection.ts";
import { readCoreTimes } from "./core-times.ts";
import { toLocusError } from "./redis-error.ts";
import { infoOf } from "./redis-info.ts";
import type { Registry, RegistryChanges, RegistryState, StoredBundle } from "./registry.ts";

/** What the module calls the conversation of this release; another number is MODULE_MISMATCH. */
const PROTOCOL = "2";
const CHANNEL = "locus:functions";

/** A function that is deployed, or the name of one that was deleted. */
type Entry = readonly [name: string, version?: string, description?: string];

export class RedisRegistry implements Registry {
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  readonly #listeners: (() => void)[] = [];
  readonly #address: RedisAddress;
  readonly #log: Pick<Logger, "info" | "warn">;
  /** Whether the module behind the present connection speaks our protocol. */
  #understood = false;

  constructor(address: RedisAddress, user: RedisUser, log: Pick<Logger, "info" | "warn">) {
    this.#commands = openLastingConnection(address, user, "registry");
    this.#subscriber = openLastingConnection(address, user, "subscriber");
    this.#address = address;
    this.#log = log;
    reportTransitions(this.#commands, (error) => connectError(error, address, user), log);
    this.#commands.on("close", () => (this.#understood = false));
    // Its losses are those of the other connection: said once.
    this.#subscriber.on("error", () => {});
    this.#subscriber.on("message", () => this.#announce());
    const connections = { commands: this.#commands, subscriber: this.#subscriber };
    // Changes are read after the subscription stands: none falls between the two.
    whenBothStand({ ...connections, subscribe: () => this.#subscribe() }, () => this.#announce());
  }

  /** Resolves when the first attempt to connect has ended, well or not. Rejects if what it reached is a Redis Cluster. */
  async firstAttempt(): Promise<void> {
    if (this.#commands.status !== "ready") {
      await new Promise<void>((resolve) => {
        this.#commands.once("ready", resolve);
        this.#commands.once("close", resolve);
      });
    }
    if (this.#commands.status === "ready") await this.#refuseCluster();
  }

  async changes(cursor: string): Promise<RegistryChanges> {
    await this.#understand();
    const reply = await this.#call("read the changes of functions", "LOCUS.FUNCTION", "CHANGES", cursor);
    const [next, isWhole, hasMore, entries] = reply as [string, number, number, readonly Entry[]];
    const changed: FunctionDescription[] = [];
    const removed: string[] = [];
    for (const [name, , json] of entries) {
      const description = json === undefined ? null : this.#read(name, json);
      if (description === null) removed.push(name);
      else changed.push(description);
    }
    return { cursor: next, isWhole: isWhole === 1, hasMore: hasMore === 1, changed, removed };
  }

  async bundle(name: string, version: string): Promise<StoredBundle> {
    await this.#understand();
    try {
      const reply = await this.#commands.callBuffer("LOCUS.FUNCTION", "DUMP", name, version);
      const [, stored, bundle] = reply as [Buffer, Buffer, Buffer];
      return { version: stored.toString(), bundle };
    } catch (error) {
      throw toLocusError(error, `fetch the bundle of ${name} ${version}`);
    }
  }

  async load(bundle: Uint8Array): Promise<{ readonly name: string; readonly version: string }> {
    await this.#understand();
    const reply = await this.#call("store a function", "LOCUS.FUNCTION", "LOAD", "REPLACE", Buffer.from(bundle));
    const [name, version] = reply as [string, string];
    return { name, version };
  }

  async delete(name: string): Promise<void> {
    await this.#understand();
    await this.#call(`delete the function ${name}`, "LOCUS.FUNCTION", "DELETE", name);
  }

  async probe(): Promise<RegistryState> {
    if (!this.#understood) await this.#refuseCluster();
    const info = infoOf(String(await this.#call("ask the module for its state", "LOCUS.INFO")));
    const protocol = info.get("protocol");
    if (protocol !== PROTOCOL) {
      throw new LocusError(
        "MODULE_MISMATCH",
        `the module speaks protocol ${protocol ?? "unknown"}, this node ${PROTOCOL}`,
      );
    }
    this.#understood = true;
    return {
      moduleVersion: info.get("module_version") ?? "unknown",
      obstacle: info.get("hosts_obstacle") ?? "",
      coreTimes: readCoreTimes(info.get("core_times")),
    };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#commands.disconnect();
    this.#subscriber.disconnect();
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#subscriber.subscribe(CHANNEL);
    } catch (error) {
      const { code, message } = toLocusError(error, `subscribe to ${CHANNEL}`);
      // A loss is told by the other connection, and this one tries again; a refusal is for the operator.
      if (code !== "REDIS_UNAVAILABLE") this.#log.warn({ reason: message }, "no news of functions");
    }
  }

  /** null: it cannot be read. It must not take the others along. */
  #read(name: string, json: string): FunctionDescription | null {
    try {
      return readDescription(json);
    } catch (error) {
      this.#log.warn({ reason: (error as Error).message }, `${name} cannot be called`);
      return null;
    }
  }

  /** Throws MODULE_MISMATCH and what `probe` throws else: once per connection, before anything is asked of its module. */
  async #understand(): Promise<void> {
    if (!this.#understood) await this.probe();
  }

  /** A cluster has several primaries, and a node keeps its functions in one. */
  async #refuseCluster(): Promise<void> {
    // Without the right to INFO nobody can know.
    const info = await this.#commands.info("cluster").catch(() => "");
    if (infoOf(info).get("cluster_enabled") !== "1") return;
    throw new LocusError(
      "CONFIG_INVALID",
      `${placeOf(this.#address)} is a node of a Redis Cluster, and locus needs a Redis with one primary`,
      {
        remedy:
          "Point LOCUS_REDIS_HOST and LOCUS_REDIS_PORT, or LOCUS_REDIS_URL, at a Redis that runs without cluster-enabled.",
      },
    );
  }

  async #call(attempted: string, command: string, ...args: (string | Buffer)[]): Promise<unknown> {
    try {
      return await this.#commands.call(command, ...args);
    } catch (error) {
      throw toLocusError(error, attempted);
    }
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Says when Redis goes and when it comes, once each, and not at every attempt in between. */
const reportTransitions = (
  redis: Redis,
  explained: (error: unknown) => unknown,
  log: Pick<Logger, "info" | "warn">,
): void => {
  let reported: "up" | "down" | null = null;
  redis.on("ready", () => {
    if (reported !== "up") log.info("connected to Redis");
    reported = "up";
  });
  redis.on("error", (error: unknown) => {
    const { message } = toLocusError(explained(error), "connect");
    if (reported !== "down") log.warn({ reason: message }, "Redis is out of reach");
    reported = "down";
  });
  redis.on("reconnecting", () => {
    if (reported === "up") log.warn("lost the connection to Redis");
    reported = "down";
  });
};
