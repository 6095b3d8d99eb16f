// Samples of calls that reached Redis without a node (LOCUS.CALL). The module sums them up, and the
// node that controls asks for them. The question waits in Redis for the next calls, so an idle
// Redis is asked once in some seconds.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { openLastingConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { readDirectWindow, type DirectWindow } from "./messages.ts";
import { RETRY_MS } from "./placement-store.ts";

/** The question waits in Redis for this time: well below the connection's own timeout. */
const WAIT_MS = 5_000;

interface DirectSamplesOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  readonly onWindow: (window: DirectWindow) => void;
  /** Redis refuses the question, or its answer is invalid. */
  readonly onRefused: (reason: string) => void;
}

export class DirectSamples {
  readonly #options: DirectSamplesOptions;
  readonly #connection: Redis;
  #isClosed = false;

  constructor(options: DirectSamplesOptions) {
    this.#options = options;
    this.#connection = openLastingConnection(options.address, options.user, "placement-samples");
    this.#connection.on("error", () => {});
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#ask();
      } catch (error) {
        const { name, message } = error as Error;
        if (name === "ReplyError") this.#options.onRefused(message);
        await pause(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  async #ask(): Promise<void> {
    const { onWindow, onRefused } = this.#options;
    const window = readDirectWindow(String(await this.#connection.call("LOCUS.NODE", "SAMPLES", String(WAIT_MS))));
    if (this.#isClosed) return;
    if (window === null) return onRefused("the answer to LOCUS.NODE SAMPLES is invalid and is ignored");
    if (window.tallies.length > 0) onWindow(window);
  }
}
