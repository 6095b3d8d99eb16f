// LOCUS.CALLs, as clients of Redis make them: each on a connection of its own that is kept and used again, since who waits for its answer can ask nothing else there.

import { Redis } from "ioredis";
import type { Call } from "#compute/node/invoker.ts";
import { toLocusError } from "#compute/node/redis-error.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import type { Answer, Calls, Loaded } from "../placement/load.ts";
import { begunOf } from "../shift/adaptation.ts";

/** Beyond what waits at storage and at a node together. One more is refused here, as it would be there. */
const CONNECTIONS_MAX = 4_096;
/** How often is asked where calls went. It takes some 0.1 ms of Redis' thread. */
const LOOK_MS = 5;

/** So many calls have been handed to nodes by then, of all since Redis began. */
export interface Handed {
  readonly atMs: number;
  readonly calls: number;
}

export class DirectInvoker implements Loaded {
  readonly #port: number;
  readonly #all = new Set<Redis>();
  readonly #idle: Redis[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** Its side is not told: Redis says so of all calls together. */
  async invoke({ function: name, argsJson, keys }: Pick<Call, "function" | "argsJson" | "keys">): Promise<Answer> {
    const connection = this.#idle.pop() ?? this.#connect();
    if (connection === null) return refused("OVERLOADED", `there are ${CONNECTIONS_MAX} connections`);
    try {
      await connection.call("LOCUS.CALL", name, keys.length, ...keys, argsJson);
      return { ok: true, side: null, reason: null, usage: null };
    } catch (error) {
      const { code, message } = toLocusError(error, `call ${name}`);
      return refused(code, message);
    } finally {
      this.#idle.push(connection);
    }
  }

  /** Looks where calls go until `signal` says that it is enough. */
  async watchHanded(signal: AbortSignal): Promise<readonly Handed[]> {
    const watcher = this.#connect()!;
    const seen: Handed[] = [];
    while (!signal.aborted) {
      const told = await watcher.info("locus");
      seen.push({ atMs: performance.now(), calls: Number(/^locus_calls_handed:(\d+)/m.exec(told)?.[1]) });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return seen;
  }

  /** When nothing is asked any more. */
  close(): void {
    for (const connection of this.#all) connection.disconnect();
  }

  #connect(): Redis | null {
    if (this.#all.size === CONNECTIONS_MAX) return null;
    // Nothing is sent but calls: when many come at once so many connections are new.
    const options = { enableReadyCheck: false, disableClientInfo: true, retryStrategy: () => null };
    const connection = new Redis(this.#port, options);
    this.#all.add(connection);
    return connection;
  }
}

/**
 * The calls with the sides that they began on: of those that began between two looks, and went well, as many at compute as were handed over meanwhile. Which of them does not matter to who looks at windows of
 * many looks. `startedMs`: of the run, by the clock of the looks.
 */
export function withSides(calls: Calls, looks: readonly Handed[], startedMs: number): Calls {
  const begun = begunOf(calls)
    .map(({ atMs }, call) => ({ atMs: atMs + startedMs, call }))
    .filter(({ call }) => calls.ok[call] === 1)
    .toSorted((one, other) => one.atMs - other.atMs);
  const atStorage = Uint8Array.from(calls.ok);
  let next = 0;
  let owed = 0;
  for (const [index, { atMs, calls: handed }] of looks.entries()) {
    owed += handed - (looks[index - 1]?.calls ?? handed);
    for (; next < begun.length && begun[next]!.atMs < atMs; next++) {
      if (owed === 0) continue;
      owed -= 1;
      atStorage[begun[next]!.call] = 0;
    }
  }
  return { ...calls, atStorage };
}

const refused = (code: ErrorCode, message: string): Answer => ({
  ok: false,
  side: null,
  reason: null,
  usage: null,
  error: { code, message },
});
