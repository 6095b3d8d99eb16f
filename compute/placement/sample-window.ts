// What this node's calls came to, sent on many times a second while there are any: the data plane's word to the controller.

import { clamp } from "#runtime/clamp.ts";
import { BegunMore } from "#runtime/profile/begun-more.ts";
import type { Sample } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import type { CallObserver } from "../node/invoke.ts";
import { Hurries } from "./hurries.ts";
import { LoadGrowth } from "./load-growth.ts";
import type { Machine, SampleWindow } from "./messages.ts";

/**
 * Where there is suddenly more to do the window that is under way ends, and those that begin within this are of the shortest: what the first has of a surge is lost among what was before it, and the three after it tell
 * how many calls come. Chosen.
 */
const HURRIED_MS = 100;
/** Twice, … */
const HURRIES = 2;
/** … and then once in this time: such a window has nearly as many tallies as a long one, and whoever reads it pays by these. Chosen: half a percent of a core with a thousand functions. */
const HURRIES_EVERY_MS = 3_000;

interface WindowOptions {
  readonly node: string;
  readonly machine: () => Machine;
  readonly inFlight: () => number;
  /** Of a function, of those whose side was chosen here. */
  readonly inFlightOf: (name: string) => number;
  /** Of the sandbox hosts, since they began; null: they have not run the calls of this node, and no others. */
  readonly hostsCpuUs: () => number | null;
  readonly onWindow: (window: SampleWindow) => void;
}

export class SampleWindows implements CallObserver {
  readonly #options: WindowOptions;
  readonly #tally = new SampleTally();
  readonly #growth = new LoadGrowth();
  readonly #begunMore = new BegunMore();
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = performance.now();
  /** When the first call of this window ended. */
  #begunMs = 0;
  /** When there was suddenly more to do. */
  #hurriedMs = -Infinity;
  readonly #hurries = new Hurries(HURRIES, HURRIES_EVERY_MS);
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
    this.#growth.add(sample);
    // An idle node has no timer, and costs nothing.
    if (this.#timer !== undefined) return;
    this.#begunMs = performance.now();
    this.#lookIn(WINDOW_MS);
  }

  /** Whether it is over: later if it has more tallies by then, and sooner if there is more to do. */
  #lookIn(ms: number): void {
    const look = (): void => {
      const nowMs = performance.now();
      const isHurried = this.#isHurried(nowMs);
      const leftMs = this.#begunMs + windowMsOf(this.#tally.size) - nowMs;
      // A timer is a little early or late.
      if (isHurried || leftMs < 1) this.#send();
      else this.#lookIn(Math.min(WINDOW_MS, leftMs));
    };
    this.#timer = setTimeout(look, ms).unref();
  }

  #isHurried(nowMs: number): boolean {
    const isGrown = this.#growth.isGrown(this.#options.inFlight(), nowMs);
    if (nowMs - this.#hurriedMs < HURRIED_MS) return true;
    if (!isGrown || !this.#hurries.mayHurry(nowMs)) return false;
    this.#hurries.count(nowMs);
    this.#hurriedMs = nowMs;
    return true;
  }

  #send(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    const passedMs = nowMs - this.#sinceMs;
    const stretchMs = clamp(passedMs, WINDOW_MS, STRETCH_MS_MAX);
    const isNext = this.#begunMs - this.#sinceMs <= WINDOW_MS;
    this.#sinceMs = nowMs;
    const { node, inFlight, inFlightOf, hostsCpuUs, onWindow } = this.#options;
    const machine = this.#options.machine();
    const { tallies: ended, untracked } = this.#tally.take();
    const tallies = this.#begunMore.told(ended, inFlightOf, isNext);
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
