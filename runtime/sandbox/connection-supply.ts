// Keeps the hosts of a supervisor supplied with connections: opens each that is wanted, hands it over, and tries again
// with growing pauses while Redis cannot be reached.

import { greetingText, isUserRefused, lossText } from "#runtime/channel/connection-failure.ts";
import { openDataConnection } from "./data-connection.ts";
import type { DataSource } from "./supervisor.ts";

const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 1_000;
const RETURN_LOOK_MS = 200;
/** A connection that lasted less is replaced with a pause: something refuses it as soon as it is used. */
const SETTLED_MS = 2_000;
/** With TLS the host makes the session when it has the connection, and may be that long at it (`kGreetingPatience`), before the next pause. */
const SETTLED_TLS_MS = 8_000;

type Log = (line: { readonly source: string; readonly text: string }) => void;
type Hand = (host: number, connection: number, descriptor: number) => boolean;

interface Slot {
  state: "opening" | "up";
  /** The next pause, ms. */
  retryMs: number;
  /** When it was handed over, by `performance.now`. */
  upSince: number;
}

export class ConnectionSupply {
  readonly #source: DataSource;
  readonly #log: Log;
  readonly #hand: Hand;
  readonly #slots = new Map<string, Slot>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #lastFailure = "";
  /** When something failed last, by `performance.now`. */
  #failedAtMs = 0;
  #closed = false;

  constructor(source: DataSource, log: Log, hand: Hand) {
    this.#source = source;
    this.#log = log;
    this.#hand = hand;
  }

  /** Connections that were handed over and not reported lost since. */
  get up(): number {
    return [...this.#slots.values()].filter(({ state }) => state === "up").length;
  }

  /** What Redis says of the user, while it refuses it; empty where it does not. */
  get refusal(): string {
    return isUserRefused(this.#lastFailure) ? this.#lastFailure : "";
  }

  /** The host has come up, or has lost this connection (`lost` says why). */
  want(host: number, connection: number, lost: string): void {
    const key = `${host}:${connection}`;
    const slot = this.#slots.get(key) ?? { state: "up", retryMs: RETRY_FIRST_MS, upSince: -Infinity };
    if (slot.state === "opening") return;
    this.#slots.set(key, slot);
    slot.state = "opening";
    if (lost !== "") this.#report(lossText(lost));
    const settled = performance.now() - slot.upSince > SETTLED_MS;
    if (settled) slot.retryMs = RETRY_FIRST_MS;
    if (settled) void this.#supply(host, connection, slot);
    else this.#retry(host, connection, slot);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #supply(host: number, connection: number, slot: Slot): Promise<void> {
    if (this.#closed) return;
    try {
      const opened = await openDataConnection(this.#source);
      const taken = !this.#closed && this.#hand(host, connection, opened.descriptor);
      opened.close();
      // The host is being replaced, or has more to take in than it can: later.
      if (!taken) return this.#retry(host, connection, slot);
      slot.state = "up";
      slot.upSince = performance.now();
    } catch (error) {
      this.#report((error as Error).message);
      this.#retry(host, connection, slot);
    }
  }

  #retry(host: number, connection: number, slot: Slot): void {
    if (this.#closed) return;
    this.#after(slot.retryMs, () => void this.#supply(host, connection, slot));
    slot.retryMs = Math.min(slot.retryMs * 2, RETRY_MAX_MS);
  }

  #after(pauseMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, pauseMs);
    this.#timers.add(timer);
  }

  /** A connection that comes and goes is no return: the failure has to stay away for as long as one may take to show it. */
  #watchReturn(): void {
    const settledMs = this.#source.tls === undefined ? SETTLED_MS : SETTLED_TLS_MS;
    if (this.up === 0 || performance.now() - this.#failedAtMs < settledMs) {
      this.#after(RETURN_LOOK_MS, () => this.#watchReturn());
      return;
    }
    this.#log({ source: "supervisor", text: "Redis can be reached again" });
    this.#lastFailure = "";
  }

  /** The same failure once, until it ends. */
  #report(reason: string): void {
    const failure = greetingText(reason, this.#source.userSettings);
    this.#failedAtMs = performance.now();
    if (failure === this.#lastFailure) return;
    this.#log({ source: "supervisor", text: failure });
    const isWatched = this.#lastFailure !== "";
    this.#lastFailure = failure;
    if (!isWatched && !this.#closed) this.#watchReturn();
  }
}
