// The storage side of a node: calls run in the sandbox host next to Redis, over LOCUS.NODE RUN. Redis serves a blocked
// client's next command only after its first, so each call in flight has a connection of its own, from a bounded pool,
// as the user that functions run as. A cancel goes over another connection.

import type { Redis } from "ioredis";

import { LocusError, isErrorCode } from "#runtime/errors.ts";
import { NO_USAGE, type Usage } from "#runtime/profile/sample.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { Pool } from "./pool.ts";
import { openBrittleConnection, openLastingConnection, type RedisAddress, type RedisUser } from "./redis-connection.ts";
import { toLocusError } from "./redis-error.ts";
import { SideNotReached, type AdmittedCall, type PushedBack, type SideReply, type SideRunner } from "./side-runner.ts";

/** How much longer than its deadline a call may go unanswered before Redis itself counts as out of reach. Chosen, not measured. */
const ANSWER_GRACE_MS = 500;

interface StorageSideOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  /** Calls in flight, at most. */
  readonly connectionsMax: number;
  /** Calls waiting for a connection, at most; one more is refused with OVERLOADED. */
  readonly queueLengthMax: number;
}

export class StorageSide implements SideRunner {
  readonly #pool: Pool<Redis>;
  readonly #canceller: Redis;

  constructor({ address, user, connectionsMax, queueLengthMax }: StorageSideOptions) {
    this.#pool = new Pool({
      open: () => this.#open(address, user),
      close: (connection) => connection.disconnect(),
      sizeMax: connectionsMax,
      queueLengthMax,
    });
    this.#canceller = openLastingConnection(address, user, "cancel", false);
    // Where it cannot be used, a cancel drops the call's own connection instead.
    this.#canceller.on("error", () => {});
  }

  get queueLength(): number {
    return this.#pool.queueLength;
  }

  async run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply | PushedBack> {
    const startedMs = performance.now();
    const connection = await this.#pool.acquire(admitted.deadlineMs, signal);
    // A whole number, and not a millisecond short for the microseconds that finding a connection took.
    const remainingMs = Math.max(1, Math.ceil(admitted.deadlineMs - (performance.now() - startedMs)));
    return parseReply(await this.#exchange(connection, admitted, remainingMs, signal));
  }

  /** Refuses who waits and closes the connections as their calls end. Idempotent. */
  close(): void {
    this.#pool.close();
    this.#canceller.disconnect();
  }

  async #open(address: RedisAddress, user: RedisUser): Promise<Redis> {
    try {
      const connection = await openBrittleConnection(address, user, "storage");
      connection.on("end", () => this.#pool.discard(connection));
      return connection;
    } catch (error) {
      throw new SideNotReached(toLocusError(error, "connect to Redis for a call"));
    }
  }

  /** One RUN and its answer. The connection goes back to the pool, or away if it broke, fell silent or had to be dropped. */
  #exchange(connection: Redis, admitted: AdmittedCall, deadlineMs: number, signal?: AbortSignal): Promise<unknown> {
    return new Promise<unknown>((resolve, reject) => {
      const drop = (error: LocusError): void => {
        leave();
        reject(error);
        this.#pool.discard(connection);
      };
      const cancel = (): void => {
        this.#cancel(admitted.id).then(
          (found) => {
            // Not there: its RUN may still be on the way. The module cancels what a client that is gone leaves behind.
            if (!found) drop(new LocusError("CANCELLED", "cancelled by its caller"));
          },
          () => drop(new LocusError("CANCELLED", "cancelled by its caller")),
        );
      };
      const silence = setTimeout(() => {
        drop(new LocusError("REDIS_UNAVAILABLE", `Redis was silent ${ANSWER_GRACE_MS} ms past the call's deadline`));
      }, deadlineMs + ANSWER_GRACE_MS);
      const leave = (): void => {
        clearTimeout(silence);
        signal?.removeEventListener("abort", cancel);
      };
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener("abort", cancel, { once: true });
      connection.call("LOCUS.NODE", ...runArguments(admitted, deadlineMs)).then(
        (reply) => {
          leave();
          this.#pool.release(connection);
          resolve(reply);
        },
        (error: unknown) => {
          const failure = toLocusError(error, `run ${admitted.call.function} at storage`);
          if (failure.code === "REDIS_UNAVAILABLE") return drop(failure);
          leave();
          this.#pool.release(connection);
          reject(failure);
        },
      );
    });
  }

  /** Whether the invocation was in flight; its RUN then answers CANCELLED. */
  async #cancel(id: string): Promise<boolean> {
    return (await this.#canceller.call("LOCUS.NODE", "CANCEL", id)) === 1;
  }
}

const runArguments = ({ id, call, backCpuUs }: AdmittedCall, deadlineMs: number): string[] => [
  "RUN",
  call.function,
  // The module decides which version is current: it is the registry.
  call.version ?? "*",
  String(call.keys.length),
  ...call.keys,
  // Lines are always asked for: the node's own log tells what functions say on both sides.
  backCpuUs === 0
    ? `{"deadlineMs":${deadlineMs},"logs":true,"id":"${id}"}`
    : `{"deadlineMs":${deadlineMs},"backCpuUs":${backCpuUs},"logs":true,"id":"${id}"}`,
  call.argsJson,
];

const NO_LINES: readonly string[] = [];

/** `["ok" | "error" | "back", version, usage, logs, result | error | read set]`: JSON from the third on, the read set in base64. */
const parseReply = (reply: unknown): SideReply | PushedBack => {
  if (!Array.isArray(reply) || reply.length !== 5 || !reply.every((part) => typeof part === "string")) {
    throw new LocusError("INTERNAL", "LOCUS.NODE RUN answered in a shape that this node does not know");
  }
  const [status, version, usageJson, logsJson, json] = reply as [string, string, string, string, string];
  // A module that is older than this node may not tell all of it.
  const usage = { ...NO_USAGE, ...(JSON.parse(usageJson) as Partial<Usage>) };
  if (status === "back") return { version, usage, known: Buffer.from(json, "base64") };
  const logs = logsJson === "[]" ? NO_LINES : (JSON.parse(logsJson) as string[]);
  const outcome: Outcome =
    status === "ok" ? { ok: true, resultJson: json, usage, logs } : { ok: false, error: parseError(json), usage, logs };
  return { version, outcome };
};

const parseError = (json: string): (Outcome & { ok: false })["error"] => {
  const error = JSON.parse(json) as { code: string; message: string; stack: string; refusal?: string };
  return { ...error, code: isErrorCode(error.code) ? error.code : "INTERNAL" };
};
