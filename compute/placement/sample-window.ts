// Windows of samples: sums over this node's calls, sent to the controller many times a second while
// there are calls.

import { clamp } from "#runtime/clamp.ts";
import type { Sample } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import type { CallObserver } from "../node/invoke.ts";
import type { Machine, SampleWindow } from "./messages.ts";

export interface WindowOptions {
  readonly node: string;
  readonly machine: () => Machine;
  /** Calls in the node now, waiting ones included. */
  readonly inFlight: () => number;
  /** CPU time of the node's sandbox hosts since they started; null: they also ran calls of other nodes. */
  readonly hostsCpuUs: () => number | null;
  /** Isolates that the node's sandbox host has memory for; null: unknown, or other nodes' functions run there too. */
  readonly isolatesMax: () => number | null;
  readonly onWindow: (window: SampleWindow) => void;
}

export class SampleWindows implements CallObserver {
  readonly #options: WindowOptions;
  readonly #tally = new SampleTally();
  #timer: NodeJS.Timeout | undefined;
  /** When the last window ended, and the CPU time of this process and of its hosts until then. */
  #last = { atMs: performance.now(), nodeUs: 0, hostsUs: null as number | null };
  /** When the first call of this window ended. */
  #begunMs = 0;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  ran(sample: Sample, elapsedUs: number, _logs: readonly string[], _id: string, beforeUs: number): void {
    this.#record(sample, elapsedUs - beforeUs);
  }

  /** What the call used at storage counts, or storage would look too cheap. */
  pushedBack(sample: Sample, elapsedUs: number): void {
    this.#record(sample, elapsedUs);
  }

  refused(): void {}

  /** The plan has changed: later calls belong to another window, once this one has the shortest length. */
  endEarly(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    const leftMs = this.#begunMs + WINDOW_MS - performance.now();
    if (leftMs <= 0) this.#send();
    else this.#timer = setTimeout(() => this.#send(), leftMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #record(sample: Sample, elapsedUs: number): void {
    this.#tally.record(sample, elapsedUs);
    // An idle node has no timer, so it costs nothing.
    if (this.#timer !== undefined) return;
    this.#begunMs = performance.now();
    this.#lookIn(WINDOW_MS);
  }

  /** The window is longer the more tallies it has by then. */
  #lookIn(ms: number): void {
    const look = (): void => {
      const leftMs = this.#begunMs + windowMsOf(this.#tally.size) - performance.now();
      // Timers are up to a millisecond early.
      if (leftMs < 1) this.#send();
      else this.#lookIn(Math.min(WINDOW_MS, leftMs));
    };
    this.#timer = setTimeout(look, ms).unref();
  }

  #send(): void {
    this.#timer = undefined;
    const { node, machine: machineNow, inFlight, hostsCpuUs, isolatesMax, onWindow } = this.#options;
    const machine = machineNow();
    const before = this.#last;
    const { user, system } = process.cpuUsage();
    this.#last = { atMs: performance.now(), nodeUs: user + system, hostsUs: hostsCpuUs() };
    const passedMs = this.#last.atMs - before.atMs;
    const coresOf = (us: "nodeUs" | "hostsUs"): number | null => {
      const [nowUs, beforeUs] = [this.#last[us], before[us]];
      if (passedMs > STRETCH_MS_MAX || nowUs === null || beforeUs === null) return null;
      return clamp((nowUs - beforeUs) / (1e3 * passedMs), 0, machine.cores);
    };
    onWindow({
      node,
      machine,
      isolatesMax: isolatesMax(),
      stretchMs: clamp(passedMs, WINDOW_MS, STRETCH_MS_MAX),
      tallies: this.#tally.take().tallies,
      inFlight: inFlight(),
      nodeCores: coresOf("nodeUs"),
      hostCores: coresOf("hostsUs"),
    });
  }
}
