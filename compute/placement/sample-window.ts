// Windows of samples: what this node's calls used, sent to the controller many times a second while there are calls.

import { clamp } from "#runtime/clamp.ts";
import type { Sample } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import type { CallObserver } from "../node/invoke.ts";
import type { Machine, SampleWindow } from "./messages.ts";

interface WindowOptions {
  readonly node: string;
  readonly machine: () => Machine;
  readonly inFlight: () => number;
  /** CPU time of the node's sandbox hosts since they started; null: they did not run just this node's calls. */
  readonly hostsCpuUs: () => number | null;
  readonly onWindow: (window: SampleWindow) => void;
}

export class SampleWindows implements CallObserver {
  readonly #options: WindowOptions;
  readonly #tally = new SampleTally();
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = performance.now();
  /** When the first call of this window ended. */
  #begunMs = 0;
  /** At `#sinceMs`: of this process, and of its hosts. */
  #cpuBeforeUs = 0;
  #hostsBeforeUs: number | null = 0;

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

  /** The plan has changed: later calls belong to another window, once this one has its shortest length. */
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
    // An idle node has no timer, and costs nothing.
    if (this.#timer !== undefined) return;
    this.#begunMs = performance.now();
    this.#lookIn(WINDOW_MS);
  }

  /** The window is longer the more tallies it has by then. */
  #lookIn(ms: number): void {
    const look = (): void => {
      const leftMs = this.#begunMs + windowMsOf(this.#tally.size) - performance.now();
      // A timer is a little early or late.
      if (leftMs < 1) this.#send();
      else this.#lookIn(Math.min(WINDOW_MS, leftMs));
    };
    this.#timer = setTimeout(look, ms).unref();
  }

  #send(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    const passedMs = nowMs - this.#sinceMs;
    const stretchMs = clamp(passedMs, WINDOW_MS, STRETCH_MS_MAX);
    this.#sinceMs = nowMs;
    const { node, inFlight, hostsCpuUs, onWindow } = this.#options;
    const machine = this.#options.machine();
    const { tallies, untracked } = this.#tally.take();
    const { user, system } = process.cpuUsage();
    const [cpuUs, hostsUs] = [user + system, hostsCpuUs()];
    const coresOf = (nowUs: number | null, beforeUs: number | null): number | null =>
      passedMs > STRETCH_MS_MAX || nowUs === null || beforeUs === null
        ? null
        : clamp((nowUs - beforeUs) / (1e3 * passedMs), 0, machine.cores);
    const [nodeCores, hostCores] = [coresOf(cpuUs, this.#cpuBeforeUs), coresOf(hostsUs, this.#hostsBeforeUs)];
    [this.#cpuBeforeUs, this.#hostsBeforeUs] = [cpuUs, hostsUs];
    onWindow({ node, machine, stretchMs, tallies, untracked, inFlight: inFlight(), nodeCores, hostCores });
  }
}
