// A scheduler of a size, full of warm instances, that is asked for one and given it back.

import { forecast } from "#scheduler/policy/forecast.ts";
import type { Effects } from "#scheduler/effects.ts";
import type { FunctionPool } from "#scheduler/instance/function-pool.ts";
import type { Instance } from "#scheduler/instance/instance.ts";
import { Scheduler } from "#scheduler/scheduler.ts";
import { seededRandom } from "#runtime/seeded-random.ts";

export interface Size {
  readonly nodes: number;
  readonly functions: number;
  readonly instances: number;
}

const SEED = 1;
/** Each function is called as often whatever the size: with ten times as many there are ten times as many calls a second. */
const INTERVAL_MS = 100;
/** Functions are asked for in this order, again and again: drawn before anything is measured. */
const ORDER = 65_536;

export class Assigning implements Effects<number> {
  readonly #scheduler: Scheduler<number>;
  readonly #pools: FunctionPool[] = [];
  readonly #order: Int32Array;
  readonly #starting: Instance[] = [];
  readonly #stopped: Instance[] = [];
  #granted: Instance | null = null;
  readonly #stepMs: number;
  #nowMs = 0;
  #pairs = 0;

  constructor({ nodes, functions, instances }: Size) {
    this.#scheduler = new Scheduler<number>(forecast({ kind: "waiting", gbSecondsPerWaitSecond: 1e6 }), this);
    this.#stepMs = INTERVAL_MS / functions / 2;
    const perNode = Math.ceil(instances / nodes) * 2;
    for (let node = 0; node < nodes; node++) {
      const description = { id: `node${node}`, address: "", port: 0, memoryMb: 128 * perNode, cpus: 128 * perNode };
      this.#scheduler.nodeCame(description, 0);
    }
    for (let index = 0; index < functions; index++) {
      this.#pools.push(this.#scheduler.declare({ key: `function${index}`, memoryMb: 128 }, 0));
    }
    const nodeIds = Array.from({ length: nodes }, (_, node) => `node${node}`);
    for (let index = 0; index < instances; index++) {
      const key = `function${index % functions}`;
      this.#scheduler.adopt(`adopted${index}`, key, nodeIds[(index * 7) % nodes]!, 0);
    }
    const random = seededRandom(SEED);
    this.#order = Int32Array.from({ length: ORDER }, () => Math.floor(random() * functions));
  }

  /** So many pairs; µs of CPU time for each, time's own work (`tick`) included. */
  usPerPair(pairs: number): number {
    const before = process.cpuUsage();
    for (let pair = 0; pair < pairs; pair++) {
      this.#nowMs += this.#stepMs;
      const pool = this.#pools[this.#order[this.#pairs++ % ORDER]!]!;
      this.#scheduler.acquire(pool, pair, Infinity, this.#nowMs);
      // One in many was ended by the policy, and another takes its place.
      while (this.#starting.length > 0) this.#scheduler.instanceStarted(this.#starting.pop()!, this.#nowMs);
      if (this.#granted === null) throw new Error("no instance was granted");
      this.#nowMs += this.#stepMs;
      this.#scheduler.release(this.#granted, { executionMs: this.#stepMs }, this.#nowMs);
      this.#granted = null;
      if (this.#scheduler.nextWakeMs() <= this.#nowMs) this.#scheduler.tick(this.#nowMs);
      while (this.#stopped.length > 0) this.#scheduler.instanceGone(this.#stopped.pop()!, this.#nowMs);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / pairs;
  }

  granted(_pair: number, instance: Instance): void {
    this.#granted = instance;
  }

  refused(_pair: number, error: Error): never {
    throw error;
  }

  startInstance(instance: Instance): void {
    this.#starting.push(instance);
  }

  stopInstance(instance: Instance): void {
    this.#stopped.push(instance);
  }

  reserveNode(): void {}
  releaseNode(): void {}
  leaseEnded(): void {}
  instanceFailed(): void {}
  nodeNoted(): void {}
}
