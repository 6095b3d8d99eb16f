// One attachment of this node to the module (docs/storage-module.md, Calls that run on nodes): takes calls that came to Redis
// without a node, has them run on this machine, and gives what became of them. It ends with the first connection that is lost.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { withDeadline } from "./deadline.ts";
import type { ActingUsers, AttachmentKey } from "./acting-users.ts";
import type { Caller, Invoker, Reply } from "./invoker.ts";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "./redis-connection.ts";

/** Calls in one answer; the module bounds how many a node has in all (kHandedPerNodeMax). */
const TAKE_MAX = 256;
/**
 * So often there is a word on the connections that have nothing to say, so that nobody takes them for dead: below the smallest `timeout` of Redis'
 * that docs/configuration.md allows. TAKE, which Redis exempts while it waits, lasts no longer than until the next one, and an idle node wakes for both at once.
 */
const WORD_MS = 5_000;
/** While calls are awaited that were taken before this node detached itself. */
const LAST_TAKE_TIMEOUT_MS = 50;
/** How much longer than it was asked to wait Redis may be silent before it counts as lost. Chosen, not measured. */
const SILENCE_MS = 10_000;
/** What says, of a call that has used nothing, that nothing of it ran, so that another may run it. */
const NOT_RUN: ReadonlySet<ErrorCode> = new Set([
  "OVERLOADED",
  "SIDE_UNAVAILABLE",
  "FUNCTION_NOT_FOUND",
  "VERSION_NOT_FOUND",
  "REDIS_UNAVAILABLE",
  "STORAGE_REFUSED",
]);

export interface AttachmentOptions {
  readonly address: RedisAddress;
  /** Of the connections that take and give. */
  readonly nodeUser: RedisUser;
  /** For whom this node acts in any case: its connections for functions are this user's. */
  readonly functionUser: RedisUser;
  /** null: for nobody else. */
  readonly acting: ActingUsers | null;
  readonly invoker: Invoker;
}

/** `[id, function, version, deadline-ms, user, db, keys, args, what a run that was pushed back had read]` */
type TakenCall = readonly [number, string, string, number, string, number, readonly string[], string, string];

/** Redis' own name for the user of who names none. */
const DEFAULT_USER = "default";

export class AttachmentSession {
  readonly #invoker: Invoker;
  readonly #acting: ActingUsers | null;
  readonly #key: AttachmentKey;
  readonly #functionUser: Caller;
  readonly #taker: Redis;
  readonly #giver: Redis;
  /** Its user is what it is for: it shows whose calls may come. */
  readonly #speaker: Redis;
  readonly #held = new Map<number, AbortController>();
  readonly #lost: Promise<never>;
  /** When there was the last word on those that have nothing to say. */
  #aliveMs = performance.now();
  #isLeaving = false;
  #isDetached = false;

  private constructor(options: AttachmentOptions, key: AttachmentKey, connections: readonly [Redis, Redis, Redis]) {
    const { invoker, acting, functionUser, address } = options;
    this.#invoker = invoker;
    this.#acting = acting;
    this.#key = key;
    this.#functionUser = { user: functionUser.username ?? DEFAULT_USER, database: address.database };
    [this.#taker, this.#giver, this.#speaker] = connections;
    this.#lost = new Promise((_, reject) => {
      for (const connection of connections) connection.on("end", () => reject(lost()));
    });
    // Whoever serves hears it.
    this.#lost.catch(() => {});
  }

  /** Rejects with what ioredis says, or the module. Nothing is left behind then. */
  static async open(options: AttachmentOptions): Promise<AttachmentSession> {
    const { address, nodeUser, functionUser } = options;
    const opened: Redis[] = [];
    try {
      for (const user of [nodeUser, nodeUser, functionUser]) {
        // Outcomes of one turn are sent together.
        opened.push(await openBrittleConnection(address, user, "attachment", opened.length === 1));
      }
      const [id, secret] = [randomBytes(8).toString("hex"), randomBytes(16).toString("hex")];
      const connections = opened as [Redis, Redis, Redis];
      const session = new AttachmentSession(options, { id, secret }, connections);
      const [taker, giver, speaker] = connections;
      for (const connection of [taker, giver]) {
        await answered(connection.call("LOCUS.NODE", "ATTACH", id, secret), "attach");
      }
      await answered(speaker.call("LOCUS.NODE", "ATTACH", id, secret, "SPEAKS"), "attach");
      return session;
    } catch (error) {
      for (const connection of opened) connection.disconnect();
      throw error;
    }
  }

  /** Resolves when it was detached and has nothing left to give; rejects when it is lost, and what it has running is cancelled. */
  async serve(): Promise<void> {
    try {
      while (!this.#isDetached || this.#held.size > 0) {
        await Promise.race([this.#takeOnce(), this.#lost]);
      }
    } finally {
      for (const controller of this.#held.values()) controller.abort();
      this.close();
      this.#acting?.leaveAll();
    }
  }

  /** No more calls come; `serve` resolves when those that are here have ended. */
  async detach(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    await answered(this.#giver.call("LOCUS.NODE", "DETACH"), "detach");
    this.#isDetached = true;
  }

  /** Drops everything: what runs here is lost for its callers. Idempotent. */
  close(): void {
    for (const connection of [this.#taker, this.#giver, this.#speaker]) connection.disconnect();
  }

  async #takeOnce(): Promise<void> {
    const untilWordMs = Math.max(Math.ceil(this.#aliveMs + WORD_MS - performance.now()), 0);
    const timeoutMs = this.#isLeaving ? LAST_TAKE_TIMEOUT_MS : untilWordMs;
    const take = this.#taker.call("LOCUS.NODE", "TAKE", String(TAKE_MAX), String(timeoutMs));
    const answer = await answered(take, "take calls", timeoutMs);
    const [calls, cancelled, wanted] = answer as [TakenCall[], number[], (readonly [string, number])[]];
    for (const id of cancelled) this.#held.get(id)?.abort();
    for (const call of calls) void this.#run(call);
    if (wanted.length > 0 && !this.#isLeaving) {
      const callers = wanted.map(([user, database]) => ({ user, database }));
      this.#acting?.want(callers, this.#key);
    }
    if (performance.now() - this.#aliveMs < WORD_MS) return;
    this.#aliveMs = performance.now();
    this.#acting?.keepAlive();
    await Promise.all([keepAlive(this.#giver), keepAlive(this.#speaker)]);
  }

  async #run([id, name, version, deadlineMs, user, database, keys, argsJson, reads]: TakenCall): Promise<void> {
    const isOfFunctionUser = user === this.#functionUser.user && database === this.#functionUser.database;
    const controller = new AbortController();
    this.#held.set(id, controller);
    let mayHaveWritten = false;
    const reply = await this.#invoker.invoke(
      {
        function: name,
        version,
        keys,
        argsJson,
        side: "compute",
        deadlineMs,
        logs: false,
        known: Buffer.from(reads, "base64"),
        ...(isOfFunctionUser ? {} : { caller: { user, database } }),
        mayWrite: async () => {
          mayHaveWritten = true;
          return (await this.#giver.call("LOCUS.NODE", "WRITES", String(id))) === 1;
        },
      },
      controller.signal,
    );
    try {
      // Nobody waits for one that was cancelled.
      if (!controller.signal.aborted) await this.#give(id, given(reply, mayHaveWritten));
    } catch {
      // Lost: `serve` says so. Refused: a result that the module cannot take is one that its caller cannot have.
      await this.#give(id, given(undeliverable(reply), true)).catch(() => {});
    } finally {
      this.#held.delete(id);
    }
  }

  async #give(id: number, words: readonly string[]): Promise<void> {
    await this.#giver.call("LOCUS.NODE", "GIVE", String(id), ...words);
  }
}

const lost = (): LocusError => new LocusError("REDIS_UNAVAILABLE", "a connection of the attachment was lost");

const answered = (answer: Promise<unknown>, attempted: string, waitsMs = 0): Promise<unknown> =>
  withDeadline(answer, { attempted, timeoutMs: waitsMs + SILENCE_MS, code: "REDIS_UNAVAILABLE" });

/** Redis closes connections on which nothing is said for long (`timeout`). A user without the right to PING has said something, too. */
const keepAlive = (connection: Redis): Promise<unknown> =>
  answered(
    connection.ping().catch((error: Error) => {
      if (error.name !== "ReplyError") throw error;
    }),
    "keep the attachment alive",
  );

const given = (reply: Reply, mayHaveWritten: boolean): readonly string[] => {
  if (reply.ok) return ["OK", JSON.stringify(reply.usage ?? NO_USAGE), reply.resultJson];
  const { error, usage } = reply;
  const hasRun = mayHaveWritten || (usage !== null && usage.cpuUs > 0);
  if (!hasRun && NOT_RUN.has(error.code)) return ["BACK", `${error.code} ${error.message}`];
  // An error reply of Redis has no room for what a CallerError says beside its message.
  const { code, message, stack } = error;
  return ["ERROR", JSON.stringify(usage ?? NO_USAGE), JSON.stringify({ code, message, stack })];
};

const undeliverable = (reply: Reply): Reply => ({
  ...reply,
  ok: false,
  usage: reply.usage ?? NO_USAGE,
  error: { code: "INTERNAL", message: "the module could not take what the function came to", stack: "" },
});
