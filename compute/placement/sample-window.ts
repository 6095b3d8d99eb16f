// What this node's calls came to, sent on many times a second while there are any: the data plane's word to the controller.

import type { Sample } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import type { CallObserver } from "../node/invoke.ts";

/** What one node saw in a stretch of time. */
export interface SampleWindow {
  readonly node: string;
  readonly stretchMs: number;
  readonly tallies: readonly Tally[];
  /** Calls of functions for which there was no room. */
  readonly untracked: number;
  /** Calls in the node at the end of it, waiting ones included. */
  readonly inFlight: number;
}

/** A change of the load is a few of these old when it is known. Chosen: at 25 ms a thousand functions cost the controller 1 % of a core. */
const WINDOW_MS = 25;
/** Nobody waits for the first window of a node that was idle; one that had calls all the time sends them this long. */
const STRETCH_MAX_MS = 250;

interface WindowOptions {
  readonly node: string;
  readonly inFlight: () => number;
  readonly onWindow: (window: SampleWindow) => void;
}

export class SampleWindows implements CallObserver {
  readonly #options: WindowOptions;
  readonly #tally = new SampleTally();
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = performance.now();

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  ran(sample: Sample, elapsedUs: number): void {
    this.#tally.record(sample, elapsedUs);
    // An idle node has no timer, and costs nothing.
    this.#timer ??= setTimeout(() => this.#send(), WINDOW_MS).unref();
  }

  refused(): void {}

  close(): void {
    clearTimeout(this.#timer);
  }

  #send(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    const stretchMs = Math.min(STRETCH_MAX_MS, Math.max(WINDOW_MS, nowMs - this.#sinceMs));
    this.#sinceMs = nowMs;
    const { node, inFlight, onWindow } = this.#options;
    onWindow({ node, stretchMs, ...this.#tally.take(), inFlight: inFlight() });
  }
}
