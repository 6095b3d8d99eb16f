// A lease in Redis: at most one node holds it, and believes that it does only while Redis does too. When its holder dies, another
// has it within TTL_MS + ASK_MS.

import type { Redis } from "ioredis";
import { every, type Repeated } from "#runtime/shared-timer.ts";

/** So long it stays with a holder that is silent. */
const TTL_MS = 1_300;
/** So often a holder renews it: with what else its process does then. */
const RENEW_MS = 500;
/** So often others ask for it. */
const ASK_MS = 400;

interface LeaseOptions {
  readonly redis: Redis;
  readonly key: string;
  /** Told from all other nodes by this. */
  readonly holder: string;
  readonly nowMs: () => number;
  /** After every turn, and when one takes longer than the lease lasts. A lease that ended and was gained again was lost in between: that is told as well. */
  readonly onTurn: (isHeld: boolean) => void;
  /** Redis refuses what is needed for it. */
  readonly onRefused: (reason: string) => void;
}

export class Lease {
  readonly #options: LeaseOptions;
  #holder: string | null = null;
  #turns: Repeated;
  /** Whether the turns are a holder's. */
  #isRenewing = false;
  #validUntilMs = -Infinity;
  #isTurning = false;
  #isClosed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#turns = this.#asking();
  }

  /** A node that was paused for longer than the lease knows that it may have lost it. */
  get isHeld(): boolean {
    return this.#options.nowMs() < this.#validUntilMs;
  }

  /** Who held it when Redis was last asked; null: nobody was known to. */
  get holder(): string | null {
    return this.#holder;
  }

  /** Asks at once, when there is a connection to ask over. */
  hurry(): void {
    void this.#turn();
  }

  /** Gives it back, so that nobody has to wait for its end. Does not wait longer for Redis than that. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#turns.stop();
    const { redis, key, holder } = this.#options;
    const wasHeld = this.isHeld;
    this.#validUntilMs = -Infinity;
    if (!wasHeld) return;
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, TTL_MS);
    await Promise.race([giveBack(redis, key, holder), over.promise]);
    clearTimeout(timer);
  }

  #asking(): Repeated {
    const timer = setInterval(() => void this.#turn(), ASK_MS).unref();
    return { stop: () => clearInterval(timer) };
  }

  /** As often as it is to be done now. */
  #follow(): void {
    const { isHeld } = this;
    if (isHeld === this.#isRenewing) return;
    this.#isRenewing = isHeld;
    this.#turns.stop();
    this.#turns = isHeld ? every(RENEW_MS, () => void this.#turn()) : this.#asking();
  }

  async #turn(): Promise<void> {
    const { redis, key, holder, nowMs, onTurn, onRefused } = this.#options;
    if (this.#isClosed) return;
    if (this.#isTurning) {
      // A Redis that hangs is waited for longer than the lease lasts, and others may reach it: that it is over the clock says.
      if (!this.isHeld) onTurn(false);
      return;
    }
    this.#isTurning = true;
    // From before the question: an answer that was long on its way gives so much less.
    const askedMs = nowMs();
    try {
      this.#holder = await holderAfter(redis, key, holder, this.isHeld);
      if (!this.isHeld) onTurn(false);
      this.#validUntilMs = this.#holder === holder && !this.#isClosed ? askedMs + TTL_MS : -Infinity;
    } catch (error) {
      // Redis is out of reach: a lease that was held goes on until its end.
      if ((error as Error).name === "ReplyError") onRefused((error as Error).message);
    }
    this.#isTurning = false;
    if (this.#isClosed) return;
    this.#follow();
    onTurn(this.isHeld);
  }
}

async function giveBack(redis: Redis, key: string, holder: string): Promise<void> {
  try {
    if ((await redis.get(key)) === holder) await redis.del(key);
  } catch {
    // It ends by itself.
  }
}

/** Asks for it, or renews it. Whose it is then; null: somebody's who was not seen. */
async function holderAfter(redis: Redis, key: string, holder: string, isHeld: boolean): Promise<string | null> {
  // One command, since each one of an idle node shows. If it ended in between, it is somebody else's that lasts this little longer now.
  const renewed = (): Promise<string | null> => redis.getex(key, "PX", TTL_MS);
  const now = await (isHeld ? renewed() : redis.get(key));
  if (now === null) return (await redis.set(key, holder, "PX", TTL_MS, "NX")) === "OK" ? holder : null;
  return now === holder && !isHeld ? await renewed() : now;
}
