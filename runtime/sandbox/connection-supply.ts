// Keeps the hosts of a supervisor supplied with connections: opens each that is wanted, hands it over, and tries again
// with growing pauses while Redis cannot be reached.

import { openDataConnection } from "./data-connection.ts";
import type { DataSource } from "./supervisor.ts";

const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 1_000;

type Log = (line: { readonly source: string; readonly text: string }) => void;

export class ConnectionSupply {
  readonly #source: DataSource;
  readonly #log: Log;
  readonly #hand: (host: number, connection: number, descriptor: number) => boolean;
  /** Per host and connection: an attempt under way, or what was handed over. */
  readonly #slots = new Map<string, "opening" | "up">();
  readonly #timers = new Set<NodeJS.Timeout>();
  #lastFailure = "";
  #closed = false;

  constructor(source: DataSource, log: Log, hand: (host: number, connection: number, descriptor: number) => boolean) {
    this.#source = source;
    this.#log = log;
    this.#hand = hand;
  }

  /** Connections that were handed over and not reported lost since. */
  get up(): number {
    return [...this.#slots.values()].filter((slot) => slot === "up").length;
  }

  /** The host has come up or has lost this connection. */
  want(host: number, connection: number): void {
    const slot = `${host}:${connection}`;
    if (this.#slots.get(slot) === "opening") return;
    this.#slots.set(slot, "opening");
    void this.#supply(host, connection, slot, RETRY_FIRST_MS);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #supply(host: number, connection: number, slot: string, retryMs: number): Promise<void> {
    try {
      const opened = await openDataConnection(this.#source);
      const taken = !this.#closed && this.#hand(host, connection, opened.descriptor);
      opened.close();
      // A host that cannot take it is gone; the next one will ask again.
      if (taken) this.#slots.set(slot, "up");
      else this.#slots.delete(slot);
      if (this.#lastFailure !== "") this.#log({ source: "supervisor", text: "Redis can be reached again" });
      this.#lastFailure = "";
    } catch (error) {
      if (this.#closed) return;
      const failure = (error as Error).message;
      if (failure !== this.#lastFailure) this.#log({ source: "supervisor", text: failure });
      this.#lastFailure = failure;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.#supply(host, connection, slot, Math.min(retryMs * 2, RETRY_MAX_MS));
      }, retryMs);
      this.#timers.add(timer);
    }
  }
}
