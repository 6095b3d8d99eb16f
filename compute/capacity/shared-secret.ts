// The secret by which nodes know each other where nobody has set one: made by the first of them, and kept in Redis, where only nodes can read it.
// Nodes that were there before and after Redis was emptied may have different ones: what Redis keeps is right.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { LocusError } from "#runtime/errors.ts";
import type { LiveSecret } from "#scheduler/grpc/security.ts";

const KEY = "locus:controller:secret";
const BYTES = 24;
/** Whoever may write in Redis may have written it: as it fits in a header. */
const PATTERN = /^[\x21-\x7e]{1,256}$/;
/** Between two looks that doubts bring about, however many there are. Two beats. */
const LOOK_MS = 1_000;

interface SharedSecretOptions {
  readonly redis: Redis;
  readonly log: Pick<Logger, "info">;
  readonly nowMs: () => number;
}

export class SharedSecret implements LiveSecret {
  readonly #options: SharedSecretOptions;
  #now: string;
  #lookedMs = -Infinity;

  private constructor(options: SharedSecretOptions, now: string) {
    this.#options = options;
    this.#now = now;
  }

  /** Rejects as ioredis does, with REDIS_UNAVAILABLE where Redis was emptied meanwhile, and with CONFIG_INVALID where what it keeps is no secret. */
  static async open(options: SharedSecretOptions): Promise<SharedSecret> {
    return new SharedSecret(options, await kept(options.redis, randomBytes(BYTES).toString("base64url")));
  }

  get now(): string {
    return this.#now;
  }

  doubt(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    // Redis may be away as well: whoever has another one is met again.
    this.agree().catch(() => {});
  }

  /** Where somebody has emptied Redis those that come later are to have this one; where Redis keeps another, this node has that from now on. Rejects as `open`. */
  async agree(): Promise<void> {
    const { redis, log } = this.#options;
    const now = await kept(redis, this.#now);
    if (now === this.#now) return;
    this.#now = now;
    log.info("Redis keeps another secret of the nodes by now: this node has that from now on");
  }
}

/** What Redis keeps; where it keeps nothing, `mine` from now on. */
async function kept(redis: Redis, mine: string): Promise<string> {
  const there = await redis.get(KEY);
  if (there === null && (await redis.set(KEY, mine, "NX")) === "OK") return mine;
  // Of several that saw none one was first.
  const secret = there ?? (await redis.get(KEY));
  if (secret === null) throw new LocusError("REDIS_UNAVAILABLE", "the nodes' secret was taken away while it was read");
  if (PATTERN.test(secret)) return secret;
  throw new LocusError("CONFIG_INVALID", `what Redis keeps as ${KEY} is no secret: delete it, and the nodes make one`);
}
