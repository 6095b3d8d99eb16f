// When this process did not run although it wanted to: stalls of its own event loop. A caller that stands still cannot tell
// that an answer came in time, so those times do not count against who answers. Also how long each process that answers was
// kept waiting by others: its threads for a core, as the kernel tells it, and that of Redis which serves clients for the
// disk, as it is seen to: while it syncs its AOF it answers nobody.

import { readdirSync, readFileSync } from "node:fs";
import { statOf } from "#bench/harness/processes.ts";
import type { Span } from "./ledger.ts";

const TICK_MS = 10;
/** Ticks are late by a little at all times. */
const STALL_MS = 30;
const LOOK_MS = 100;

/** Between two looks, how long that thread of the process waited for a core which waited longest, and its first one for the disk. Of a wait for a core the kernel tells when it is over, all of it. */
export interface Wait extends Span {
  readonly waitedMs: number;
}

interface Look {
  readonly pid: number;
  readonly atMs: number;
  /** Of each thread, since it began. */
  readonly waitedMs: ReadonlyMap<string, number>;
}

export class StallWatch<Watched extends string> {
  readonly own: Span[] = [];
  readonly waits: Readonly<Record<Watched, Wait[]>>;
  readonly #pidOf: (watched: Watched) => number;
  readonly #timer: NodeJS.Timeout;
  readonly #looks = new Map<Watched, Look>();
  readonly #syncing: readonly Watched[];
  /** Since the look before. */
  readonly #diskMs = new Map<Watched, number>();
  /** Who waited for the disk a tick ago. */
  #atDisk: ReadonlySet<Watched> = new Set();
  #tickMs = performance.now();
  #lookMs = 0;

  /** `syncing`: of whom the disk holds up the thread that answers. */
  constructor(watched: readonly Watched[], syncing: readonly Watched[], pidOf: (watched: Watched) => number) {
    this.#syncing = syncing;
    this.#pidOf = pidOf;
    this.waits = Object.fromEntries(watched.map((name) => [name, []])) as unknown as Record<Watched, Wait[]>;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#tickMs > TICK_MS + STALL_MS) this.own.push({ fromMs: this.#tickMs, untilMs: now });
    this.#tickMs = now;
    this.#lookForDisk();
    if (now < this.#lookMs) return;
    this.#lookMs = now + LOOK_MS;
    for (const name of Object.keys(this.waits) as Watched[]) this.#look(name, now);
  }

  /** Who is there at two ticks in a row waits for long: syncs that nothing holds up are mostly shorter. */
  #lookForDisk(): void {
    const atDisk = new Set(this.#syncing.filter((name) => waitsForDisk(this.#pidOf(name))));
    for (const name of atDisk)
      if (this.#atDisk.has(name)) this.#diskMs.set(name, (this.#diskMs.get(name) ?? 0) + TICK_MS);
    this.#atDisk = atDisk;
  }

  #look(name: Watched, atMs: number): void {
    const pid = this.#pidOf(name);
    const before = this.#looks.get(name);
    const look: Look = { pid, atMs, waitedMs: waitedForCoreMs(pid) };
    this.#looks.set(name, look);
    const diskMs = this.#diskMs.get(name) ?? 0;
    this.#diskMs.delete(name);
    if (before?.pid !== pid) return;
    const coreMs = Math.max(
      0,
      ...[...look.waitedMs].map(([thread, waited]) => waited - (before.waitedMs.get(thread) ?? 0)),
    );
    const waitedMs = bothMs(coreMs, diskMs, atMs - before.atMs);
    if (waitedMs > 1) this.waits[name].push({ fromMs: before.atMs, untilMs: atMs, waitedMs });
  }
}

/** Empty where the process is gone. */
function waitedForCoreMs(pid: number): ReadonlyMap<string, number> {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return new Map(
      threads.map((thread) => [
        thread,
        Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[1]) / 1e6,
      ]),
    );
  } catch {
    return new Map();
  }
}

/** Waits for a core and for the disk that were told in this time. Two threads may have waited at once; and those for a core may have begun before. */
export const bothMs = (coreMs: number, diskMs: number, elapsedMs: number): number =>
  Math.max(coreMs, Math.min(coreMs + diskMs, elapsedMs));

/** Whether its first thread waits for the disk at the moment, or, as it does for an instant at times, for a lock of the kernel or a process that it starts; not where it is gone. */
export const waitsForDisk = (pid: number): boolean => statOf(pid)[0] === "D";
