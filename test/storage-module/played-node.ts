// A node that takes calls off a server's hands (LOCUS.NODE ATTACH, TAKE, WRITES, GIVE), played by a test.

import type { Redis } from "ioredis";

import type { RedisServer } from "#test/redis-server.ts";

export type TakenCall = readonly [number, string, string, number, string, number, string[], string, string];

export const SECRET = "0123456789abcdef";

/** Options of a client that does not come back. */
export const brittle = { retryStrategy: () => null, autoResendUnfulfilledCommands: false } as const;
export const attach = (client: Redis, id: string, secret = SECRET): Promise<unknown> =>
  client.call("LOCUS.NODE", "ATTACH", id, secret);
export const speak = (client: Redis, id: string): Promise<unknown> =>
  client.call("LOCUS.NODE", "ATTACH", id, SECRET, "SPEAKS");

interface Taken {
  readonly calls: TakenCall[];
  readonly cancelled: number[];
  readonly wanted: [string, number][];
}

/** A node of three connections: one takes, one gives, one speaks for its user. */
export class PlayedNode {
  readonly taker: Redis;
  readonly giver: Redis;
  readonly speaker: Redis;

  constructor(
    server: RedisServer,
    options: { readonly username?: string; readonly password?: string; db?: number } = {},
  ) {
    this.taker = server.client({ ...brittle, ...options });
    this.giver = server.client({ ...brittle, ...options });
    this.speaker = server.client({ ...brittle, ...options });
  }
  async attach(id = "node-1"): Promise<this> {
    await attach(this.taker, id);
    await attach(this.giver, id);
    await speak(this.speaker, id);
    return this;
  }
  async take(max = 16, timeoutMs = 60_000): Promise<Taken> {
    const answer = await this.taker.call("LOCUS.NODE", "TAKE", String(max), String(timeoutMs));
    const [calls, cancelled, wanted] = answer as [TakenCall[], number[], [string, number][]];
    return { calls, cancelled, wanted };
  }
  async takeOne(): Promise<TakenCall> {
    const { calls } = await this.take();
    const [one] = calls;
    if (one === undefined || calls.length > 1) throw new Error(`took ${calls.length} calls`);
    return one;
  }
  /** Whether the call may write. */
  writes(id: number): Promise<unknown> {
    return this.giver.call("LOCUS.NODE", "WRITES", String(id));
  }
  give(id: number, ...what: readonly string[]): Promise<unknown> {
    return this.giver.call("LOCUS.NODE", "GIVE", String(id), ...what);
  }
}
