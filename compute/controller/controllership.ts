// Who controls: of all nodes the one that holds a lease in Redis decides placement and schedules instances. Both follow the turns of this one
// lease. Beside it Redis keeps what whoever controls next needs.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { openLastingConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { Lease } from "./lease.ts";

/** Nobody writes the plan who does not hold it. */
export const CONTROLLER_LEASE_KEY = "locus:controller:lease";

interface ControllershipOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  readonly log: Pick<Logger, "warn">;
  readonly nowMs: () => number;
}

export class Controllership {
  /** This node, told from all others. */
  readonly node = randomBytes(6).toString("hex");
  /** The node's user's; for others as well who need Redis seldom. Rejects while Redis is away. */
  readonly commands: Redis;
  readonly #lease: Lease;
  readonly #listeners: ((isHeld: boolean) => void)[] = [];
  #refused = "";

  constructor({ address, user, log, nowMs }: ControllershipOptions) {
    this.commands = openLastingConnection(address, user, "controller");
    // Losses are told by the registry's connection.
    this.commands.on("error", () => {});
    this.#lease = new Lease({
      redis: this.commands,
      key: CONTROLLER_LEASE_KEY,
      holder: this.node,
      nowMs,
      onTurn: (isHeld) => {
        for (const listener of this.#listeners) listener(isHeld);
      },
      onRefused: (reason) => {
        if (reason !== this.#refused) log.warn({ reason }, "this node cannot control");
        this.#refused = reason;
      },
    });
    this.commands.on("ready", () => this.#lease.hurry());
  }

  get isHeld(): boolean {
    return this.#lease.isHeld;
  }

  /** The node that controls, as was last seen; null: none was. */
  get holder(): string | null {
    return this.#lease.holder;
  }

  /** Called after every turn of the lease, many times with the same answer. */
  onTurn(listener: (isHeld: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** After those who follow it have left: gives the lease back. */
  async close(): Promise<void> {
    await this.#lease.close();
    this.commands.disconnect();
  }
}
