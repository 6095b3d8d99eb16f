// A driver with a meter: how much CPU its instances have reserved, from the start of each to its end, and how much they have used. Whoever
// limits them, above, does it through this.

import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceCall, InstanceSpec, ListedInstance, StartedInstance } from "#scheduler/driver/driver.ts";

interface Metered {
  cpus: number;
  sinceMs: number;
}

/** What all have together, from when on. */
export interface Reserved {
  readonly atMs: number;
  readonly cpus: number;
}

export class MeteredDriver implements Driver {
  readonly #driver: Driver;
  readonly #instances = new Map<string, Metered>();
  readonly history: Reserved[] = [];
  reservedCpuMs = 0;
  usedCpuMs = 0;
  limits = 0;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance> {
    this.#instances.set(spec.id, { cpus: 0, sinceMs: performance.now() });
    this.#has(spec.id, spec.cpus);
    return this.#driver.start(spec, signal);
  }

  invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    return this.#driver.invoke(id, call, signal);
  }

  /** More counts from when it is asked for, less from when it is in force. */
  async limit(id: string, cpus: number): Promise<boolean> {
    this.limits++;
    const isMore = cpus > (this.#instances.get(id)?.cpus ?? 0);
    if (isMore) this.#has(id, cpus);
    const isHeld = await this.#driver.limit(id, cpus);
    if (!isMore) this.#has(id, cpus);
    return isHeld;
  }

  resize(id: string, memoryBytes: number): Promise<boolean> {
    return this.#driver.resize(id, memoryBytes);
  }

  async stop(id: string): Promise<void> {
    const one = (await this.#driver.list()).find((listed) => listed.id === id);
    this.usedCpuMs += (one?.use?.cpuUs ?? 0) / 1e3;
    await this.#driver.stop(id);
    this.#has(id, 0);
    this.#instances.delete(id);
  }

  list(): Promise<readonly ListedInstance[]> {
    return this.#driver.list();
  }

  close(): Promise<void> {
    return this.#driver.close();
  }

  #has(id: string, cpus: number): void {
    const one = this.#instances.get(id);
    if (one === undefined) return;
    const atMs = performance.now();
    this.reservedCpuMs += one.cpus * (atMs - one.sinceMs);
    one.cpus = cpus;
    one.sinceMs = atMs;
    let sum = 0;
    for (const instance of this.#instances.values()) sum += instance.cpus;
    this.history.push({ atMs, cpus: sum });
  }
}
