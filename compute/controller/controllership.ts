// Who controls: of all nodes the one that holds a lease in Redis decides placement and schedules instances. Both follow the turns of this one
// lease. Beside it Redis keeps what whoever controls next needs.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { openLastingConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { inTurn, isExecuted } from "../node/redis-transaction.ts";
import { Lease } from "./lease.ts";
import { Turns } from "./turns.ts";

/** Nobody writes the plan who does not hold it. */
export const CONTROLLER_LEASE_KEY = "locus:controller:lease";

/** A lease is renewed seldom: not even twice in a row while something is written. */
const WRITE_ATTEMPTS_MAX = 5;

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
  readonly #followers: Turns[] = [];
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
        for (const turns of this.#followers) turns.tell(isHeld);
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

  /** Called after every turn of the lease, many times with the same answer; not again before it has been followed. `follow` never rejects. */
  onTurn(follow: (isHeld: boolean) => void | Promise<void>): void {
    this.#followers.push(new Turns(follow));
  }

  /**
   * What is the controller's to say. False: by Redis' word another controls, or nobody, and nothing was written; what this node believes may be older.
   * Rejects as ioredis does, while Redis is away.
   */
  write(key: string, text: string): Promise<boolean> {
    const { commands } = this;
    return inTurn(commands, async () => {
      for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
        // One after the other, and in one go.
        const [, holder] = await Promise.all([
          commands.watch(CONTROLLER_LEASE_KEY),
          commands.get(CONTROLLER_LEASE_KEY),
        ]);
        if (holder !== this.node) return false;
        // A lease that was renewed meanwhile has been touched as well: look again whose it is.
        if (await isExecuted(commands.multi().set(key, text))) return true;
      }
      return false;
    });
  }

  /** After those who follow it have left: gives the lease back. */
  async close(): Promise<void> {
    await this.#lease.close();
    this.commands.disconnect();
  }
}
