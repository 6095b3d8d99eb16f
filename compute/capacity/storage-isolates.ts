// Threads beside the data as Redis' module has them: isolates. One command says how many each function may have and answers what all of them have,
// whatever their number; what is said is forgotten there when whoever says it falls silent.

import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { Type } from "typebox";

import { type ErrorCode, LocusError } from "#runtime/errors.ts";
import { NAME_PATTERN } from "#runtime/function/description.ts";
import { DIVIDED_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type { StorageThreads, ThreadsSeen } from "#scheduler/reallocation/capacity-loop.ts";
import { toLocusError } from "../node/redis-error.ts";
import { reader } from "../placement/messages.ts";

/** Five looks. */
const TTL_MS = 5_000;
/** Below the time between two looks: an answer that comes later is of no use. */
const ANSWER_MS = 800;
const ATTEMPTED = "divide threads beside the data";
/** That Redis is away is told by others, and passes. */
const PASSING: ReadonlySet<ErrorCode> = new Set(["REDIS_UNAVAILABLE", "STORAGE_REFUSED"]);

const count = (minimum: number) => Type.Integer({ minimum, maximum: 1_000_000 });
const readReply = reader(
  Type.Object({
    /** In a sandbox host, and of one function. */
    isolatesMax: count(1),
    spread: count(1),
    functions: Type.Record(
      Type.String({ pattern: NAME_PATTERN.source }),
      Type.Object({ isolates: count(0), busy: count(0), waiting: count(0) }),
      { additionalProperties: false, maxProperties: DIVIDED_MAX },
    ),
  }),
);

export class StorageIsolates implements StorageThreads {
  readonly #redis: Pick<Redis, "call">;

  constructor(redis: Pick<Redis, "call">) {
    this.#redis = redis;
  }

  /** Rejects with REDIS_UNAVAILABLE and its kin, and with MODULE_MISMATCH where the answer is none that is known. */
  async allow(allowed: ReadonlyMap<string, number>): Promise<ThreadsSeen> {
    const said = [...allowed].flatMap(([name, most]) => [name, String(most)]);
    const reply = readReply(await this.#ask("LOCUS.FUNCTION", "ISOLATES", String(TTL_MS), ...said));
    if (reply === null) {
      throw new LocusError("MODULE_MISMATCH", `cannot ${ATTEMPTED}: the module's answer is not known to this node`);
    }
    const { isolatesMax, spread, functions } = reply;
    return {
      total: isolatesMax,
      functions: Object.entries(functions).map(([functionKey, { isolates, busy, waiting }]) => ({
        functionKey,
        threadsMax: spread,
        threads: isolates,
        busy,
        waiting,
      })),
    };
  }

  async #ask(command: string, ...args: readonly string[]): Promise<string> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new LocusError("REDIS_UNAVAILABLE", `cannot ${ATTEMPTED}: no answer in ${ANSWER_MS} ms`));
    }, ANSWER_MS);
    try {
      const asked = this.#redis.call(command, ...args);
      // One that comes to nothing after all is nobody's matter any more.
      asked.catch(() => {});
      return String(await Promise.race([asked, late.promise]));
    } catch (error) {
      throw toLocusError(error, ATTEMPTED);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Why `allow` rejected. */
export function tellUndivided(log: Pick<Logger, "warn">, error: Error): void {
  if (error instanceof LocusError && PASSING.has(error.code)) return;
  log.warn({ reason: error.message }, "threads beside the data are not divided");
}
