// Calls that reached Redis without a node (LOCUS.CALL) count too: the module adds them up, and the node that controls asks for them. The
// question waits in Redis until there are any, so an idle Redis is asked once in a few seconds.

import type { Redis } from "ioredis";

import { openLastingConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { readDirectWindow, type DirectWindow } from "./messages.ts";

/** Well below what the connection itself waits for an answer. */
const WAIT_MS = 5_000;
/** After what could not be answered: Redis is away, or does not allow it. */
const RETRY_MS = 1_000;

interface DirectSamplesOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  readonly onWindow: (window: DirectWindow) => void;
  /** Redis refuses, or answers what this node does not know. */
  readonly onRefused: (reason: string) => void;
}

export class DirectSamples {
  readonly #options: DirectSamplesOptions;
  readonly #connection: Redis;
  readonly #closed = new AbortController();

  constructor(options: DirectSamplesOptions) {
    this.#options = options;
    this.#connection = openLastingConnection(options.address, options.user, "placement-samples");
    this.#connection.on("error", () => {});
    void this.#run();
  }

  close(): void {
    this.#closed.abort();
    this.#connection.disconnect();
  }

  async #run(): Promise<void> {
    const { onWindow, onRefused } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        const text = String(await this.#connection.call("LOCUS.NODE", "SAMPLES", String(WAIT_MS)));
        const window = readDirectWindow(text);
        if (signal.aborted) return;
        if (window === null) throw new ReplyFault("LOCUS.NODE SAMPLES answered what this node does not know");
        if (window.tallies.length > 0) onWindow(window);
      } catch (error) {
        const { name, message } = error as Error;
        if (name === "ReplyError" || error instanceof ReplyFault) onRefused(message);
        await pause(RETRY_MS, signal);
      }
    }
  }
}

class ReplyFault extends Error {}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms).unref();
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
