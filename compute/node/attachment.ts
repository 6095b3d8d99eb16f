// Keeps this node attached to the module, so that calls which came to Redis without a node can run here where the plan says compute.
// After a loss it attaches itself anew, ever more seldom while that fails.

import type { Logger } from "pino";

import { AttachmentSession, type AttachmentOptions } from "./attachment-session.ts";
import { toLocusError } from "./redis-error.ts";

/** First and longest pause before the next attempt; doubles in between. Chosen, not measured. */
const PAUSE_MS = 50;
const PAUSE_MAX_MS = 5_000;

export class Attachment {
  readonly #options: AttachmentOptions;
  readonly #log: Pick<Logger, "info" | "warn">;
  readonly #closing = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #session: AttachmentSession | null = null;
  #isClosing = false;
  #told = "";

  constructor(options: AttachmentOptions, log: Pick<Logger, "info" | "warn">) {
    this.#options = options;
    this.#log = log;
    this.#ended = this.#stayAttached();
  }

  /** Takes no more calls, and lets those that are here end for at most `graceMs`. Idempotent. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    this.#closing.resolve();
    const session = this.#session;
    const timer = setTimeout(() => session?.close(), graceMs);
    // One that cannot say that it leaves has been lost.
    await session?.detach().catch(() => session.close());
    await this.#ended;
    clearTimeout(timer);
  }

  async #stayAttached(): Promise<void> {
    let pauseMs = PAUSE_MS;
    while (!this.#isClosing) {
      try {
        const session = await AttachmentSession.open(this.#options);
        // Closed while it was opened: nothing has been taken.
        if (this.#isClosing) return session.close();
        this.#session = session;
        this.#told = "";
        pauseMs = PAUSE_MS;
        this.#log.info("attached: takes calls from Redis");
        await session.serve();
      } catch (error) {
        this.#session = null;
        this.#tell(error);
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
      }
    }
  }

  /** Each reason once, as long as it stays the same. */
  #tell(error: unknown): void {
    const { message } = toLocusError(error, "attach to Redis");
    if (message !== this.#told && !this.#isClosing) this.#log.warn({ reason: message }, "takes no calls from Redis");
    this.#told = message;
  }

  async #pause(pauseMs: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, pauseMs);
    await Promise.race([over.promise, this.#closing.promise]);
    clearTimeout(timer);
  }
}
