// What this node's calls came to, sent on many times a second while there are any: the data plane's word to the controller.

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
  /** Of the sandbox hosts, since they began; null: they have not run the calls of this node, and no others. */
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

  /** What it used there counts, or storage would look as cheap as what is left of its calls. */
  pushedBack(sample: Sample, elapsedUs: number): void {
    this.#record(sample, elapsedUs);
  }

  refused(): void {}

  /** What comes from now on is under another plan, and is not to be told with what was before, but for what a shortest window takes. */
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
    this.#endAt(WINDOW_MS, 0);
  }

  /** Of its beginning; or later, if it has more tallies by then than such a one. */
  #endAt(lengthMs: number, lastedMs: number): void {
    const end = (): void => {
      const wholeMs = windowMsOf(this.#tally.size);
      if (wholeMs > lengthMs) this.#endAt(wholeMs, lengthMs);
      else this.#send();
    };
    this.#timer = setTimeout(end, lengthMs - lastedMs).unref();
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
