// What an instance of a function really needs. Configured memory is what its author dared to write; real use is often a hundredth of it
// (in the 2020 contest 5 of 512 MiB), so nodes are packed by what was seen, with a margin, and not by what was written.

import { clamp } from "#runtime/clamp.ts";
import type { FunctionConfig } from "../function-config.ts";
import { CONTEST_NODE } from "../settings.ts";

/** Executions that must have been seen before what was seen counts. Chosen. */
const SAMPLES_MIN = 10;
/** On top of the most that was seen. Chosen; an instance that passes its need is only killed where its node is full. */
const MEMORY_MARGIN = 1.25;
const MEMORY_MARGIN_MB = 1;
const CPU_MARGIN = 1.25;
/** Nothing is packed tighter than this, a process's own, unless less is expected. Chosen. */
const MEMORY_MB_MIN = 16;
/**
 * The most memory that was seen is of so many executions at least, and twice as many at most: one large call does not have its function packed by it for
 * ever. Those that come while it is packed as configured are not counted, so that what was seen then is known when what was seen is believed again.
 * Chosen: of a function of which one call in a thousand is large, the large ones count.
 */
const MEMORY_WINDOW = 1_000;
/** A call lacked memory: as configured, for so many executions, twice as many each time that what was learned is believed again and proves too little. */
const DISTRUST_EXECUTIONS = 1_000;
const DISTRUST_DOUBLINGS_MAX = 10;
/** Isolates share their node's cores, so each is promised only this part of the CPUs of its memory. Not sensitive. */
const SHARED_CPU_PART = 1 / 8;
/** Of the greatest CPU share seen, per execution: a function that became lighter is believed after hundreds of calls. */
const CPU_DECAY = 0.998;

export class LearnedNeed {
  readonly #configuredMb: number;
  /** Until enough executions have been seen. */
  readonly #expectedMb: number;
  readonly #configuredCpus: number;
  #samples = 0;
  /** Of the last executions, MEMORY_WINDOW at most, and of as many as that before them. */
  #memoryMbMax = 0;
  #memoryMbMaxBefore = 0;
  #inWindow = 0;
  #cpuSamples = 0;
  #cpusMax = 0;
  #distrust = 0;
  #failures = 0;

  constructor({ memoryMb, expectedMb }: FunctionConfig) {
    this.#configuredMb = memoryMb;
    this.#expectedMb = expectedMb;
    // The part of a contest's node that its memory is: 0.67 for each GiB, without the rounding up by which a whole node's would be more than it has.
    const part = expectedMb < memoryMb ? SHARED_CPU_PART : 1;
    this.#configuredCpus = part * (expectedMb / CONTEST_NODE.memoryMb) * CONTEST_NODE.cpus;
  }

  get memoryMb(): number {
    if (this.#distrust > 0) return this.#configuredMb;
    if (this.#samples < SAMPLES_MIN) return this.#expectedMb;
    const most = Math.max(this.#memoryMbMax, this.#memoryMbMaxBefore);
    const need = Math.ceil(most * MEMORY_MARGIN + MEMORY_MARGIN_MB);
    return Math.min(this.#configuredMb, Math.max(Math.min(MEMORY_MB_MIN, this.#expectedMb), need));
  }

  get cpus(): number {
    if (this.#cpuSamples < SAMPLES_MIN) return this.#configuredCpus;
    return Math.min(this.#configuredCpus, this.#cpusMax * CPU_MARGIN);
  }

  /** Uses most of what it may: two of them on a node get into each other's way. */
  get isCpuHeavy(): boolean {
    return this.#cpuSamples >= SAMPLES_MIN && this.#cpusMax > this.#configuredCpus / 2;
  }

  /** What an execution came to that has ended; undefined: not known. */
  executed(memoryMb: number | undefined, cpus: number | undefined): void {
    if (memoryMb !== undefined && memoryMb > 0) {
      this.#samples++;
      if (this.#distrust > 0) this.#distrust--;
      else this.#turnWindow();
    }
    if (cpus !== undefined && cpus >= 0) {
      this.#cpuSamples++;
      this.#cpusMax *= CPU_DECAY;
    }
    this.seen(memoryMb, cpus);
  }

  #turnWindow(): void {
    this.#inWindow++;
    if (this.#inWindow <= MEMORY_WINDOW) return;
    this.#inWindow = 1;
    this.#memoryMbMaxBefore = this.#memoryMbMax;
    this.#memoryMbMax = 0;
  }

  /** What an instance uses while an execution goes on: it may come to more, so this counts as none, however often it is seen. */
  seen(memoryMb = 0, cpus = 0): void {
    this.#memoryMbMax = Math.max(this.#memoryMbMax, memoryMb);
    this.#cpusMax = Math.max(this.#cpusMax, cpus);
  }

  /** A call lacked memory. Where nothing is learned yet, or is doubted already, that proves nothing more of it: executions are counted anew. */
  provedTooSmall(): void {
    if (this.#distrust === 0 && this.#samples >= SAMPLES_MIN) this.#failures++;
    const doublings = clamp(this.#failures - 1, 0, DISTRUST_DOUBLINGS_MAX);
    this.#distrust = DISTRUST_EXECUTIONS * 2 ** doublings;
  }

  save(): readonly number[] {
    const memory = [this.#memoryMbMaxBefore, this.#inWindow];
    return [
      this.#samples,
      this.#memoryMbMax,
      this.#cpuSamples,
      this.#cpusMax,
      this.#distrust,
      this.#failures,
      ...memory,
    ];
  }

  /** Before there was a window six figures were saved: the most that was seen is then of the window that begins. */
  restore(saved: readonly number[]): void {
    const [samples = 0, memoryMbMax = 0, cpuSamples = 0, cpusMax = 0, distrust = 0, failures = 0, ...memory] = saved;
    const [memoryMbMaxBefore = 0, inWindow = 0] = memory;
    this.#memoryMbMaxBefore = memoryMbMaxBefore;
    this.#inWindow = inWindow;
    this.#samples = samples;
    this.#memoryMbMax = memoryMbMax;
    this.#cpuSamples = cpuSamples;
    this.#cpusMax = cpusMax;
    this.#distrust = distrust;
    this.#failures = failures;
  }
}
