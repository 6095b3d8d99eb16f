// LOCUS.CALLs, as clients of Redis make them: each on a connection of its own that is kept and used again, since who waits for its answer can ask nothing else there.

import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Call } from "#compute/node/invoker.ts";
import { openBrittleConnection } from "#compute/node/redis-connection.ts";
import { toLocusError } from "#compute/node/redis-error.ts";
import { countIn, readInfo } from "#test/module-info.ts";
import { refused, type Answer, type Calls, type Loaded } from "../placement/load.ts";
import { begunOf } from "../shift/adaptation.ts";

/** Of calls: more than may wait at storage and at a node together. One more is refused here, as it would be there. */
const CONNECTIONS = 2_559;
/** So many are opened at once: Redis lets 511 wait, and whoever finds no place there tries again a second later. */
const OPENED_AT_ONCE = 64;
/** How often is asked where calls went. It takes some 0.1 ms of Redis' thread. */
const LOOK_MS = 5;

/** So many calls have been handed to nodes by then, and not been taken back, of all since Redis began. */
export interface Handed {
  readonly atMs: number;
  readonly calls: number;
}

export class DirectInvoker implements Loaded {
  readonly #watcher: Redis;
  readonly #idle: Redis[];

  private constructor([watcher, ...idle]: readonly Redis[]) {
    this.#watcher = watcher!;
    this.#idle = idle;
  }

  /** All of its connections are there before the first call: what comes all at once does not wait for new ones. They last as long as the process. */
  static async open(port: number): Promise<DirectInvoker> {
    const connections: Redis[] = [];
    while (connections.length <= CONNECTIONS) {
      connections.push(...(await Promise.all(Array.from({ length: OPENED_AT_ONCE }, () => connectionTo(port)))));
    }
    return new DirectInvoker(connections);
  }

  /** Its side is not told: Redis says so of all calls together. Rejects where a connection breaks, which ends the process. */
  async invoke({ function: name, argsJson, keys }: Pick<Call, "function" | "argsJson" | "keys">): Promise<Answer> {
    const connection = this.#idle.pop();
    if (connection === undefined) return refused("OVERLOADED", `there are ${CONNECTIONS} connections`);
    try {
      await connection.call("LOCUS.CALL", name, keys.length, ...keys, argsJson);
      return { ok: true, side: null, reason: null, usage: null };
    } catch (error) {
      if (connection.status !== "ready") throw error;
      const { code, message } = toLocusError(error, `call ${name}`);
      return refused(code, message);
    } finally {
      this.#idle.push(connection);
    }
  }

  /** Looks where calls go until `signal` says that it is enough. */
  async watchHanded(signal: AbortSignal): Promise<readonly Handed[]> {
    const seen: Handed[] = [];
    while (!signal.aborted) {
      const info = await readInfo(this.#watcher);
      seen.push({ atMs: performance.now(), calls: countIn(info, "calls_handed") - countIn(info, "calls_taken_back") });
      await sleep(LOOK_MS);
    }
    return seen;
  }
}

const connectionTo = (port: number): Promise<Redis> =>
  openBrittleConnection(
    { host: "127.0.0.1", port, path: null, tls: false, database: 0 },
    { username: null, password: null },
    "overload",
  );

/**
 * The calls with the sides that they were given: of those that began between two looks as many were handed over as those tell, the last ones, so that nothing has left before it has. Those that were refused
 * count at storage: it errs late. A call that is pushed back counts as handed over a moment after it began. `startedMs`: of the run, by the clock of the looks.
 */
export function withSides(calls: Calls, looks: readonly Handed[], startedMs: number): Calls {
  const begun = begunOf(calls)
    .map(({ atMs }, call) => ({ atMs: atMs + startedMs, call }))
    .toSorted((one, other) => one.atMs - other.atMs);
  const atStorage = new Uint8Array(calls.ok.length).fill(1);
  let first = 0;
  let owed = 0;
  for (const [index, { atMs, calls: handed }] of looks.entries()) {
    owed += handed - (looks[index - 1]?.calls ?? handed);
    let next = first;
    while (next < begun.length && begun[next]!.atMs < atMs) next += 1;
    for (let at = next - 1; at >= first && owed > 0; at--, owed--) atStorage[begun[at]!.call] = 0;
    first = next;
  }
  return { ...calls, atStorage };
}
