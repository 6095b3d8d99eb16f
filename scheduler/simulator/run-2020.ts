// The 2020 contest's world in virtual time, around the very Scheduler that runs live: nodes come from a pool with ten ready and at most
// twenty, a released or missing one takes up to 30 s, a container starts in 3 to 4 s, and calls that want more CPU than their node has
// take longer by as much. What is measured is what its score is made of.

import { seededRandom } from "#runtime/seeded-random.ts";
import type { Effects } from "../effects.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { Node } from "../node/node.ts";
import type { Policy } from "../policy/policy.ts";
import { Scheduler } from "../scheduler.ts";
import { CONTEST_NODE, CONTEST_NODES_MAX, type SchedulerSettings } from "../settings.ts";
import { EventQueue } from "./event-queue.ts";
import type { Load2020 } from "./load-2020.ts";

/** The contest's, these four. */
const NODES_READY = 10;
const NODE_RESERVED_MS = 1;
const NODE_BACK_MS_MAX = 30_000;
const START_MS = { min: 3_000, max: 4_000 };
/** What a client waits. */
const ACQUIRE_MS_MAX = 30_000;
/** AcquireContainer and ReturnContainer on the wire, each. Chosen; the same for all who are compared. */
const RPC_MS = 0.5;
const PROGRESS_CALLS = 8_192;

export interface Run2020 {
  /** By function: sum of acquiring, executing and returning, ms. */
  readonly responseMs: readonly number[];
  readonly calls: readonly number[];
  readonly nodeMs: number;
  readonly nodesMost: number;
  readonly errors: number;
  readonly starts: number;
}

export interface Run2020Options {
  readonly seed: number;
  readonly settings?: Partial<SchedulerSettings>;
  /** Whether instances are packed by what they were seen to use; else by what is configured. */
  readonly learnsNeed: boolean;
  /** Told how many calls have come. */
  readonly onProgress?: (calls: number) => void;
}

type Event =
  | { readonly kind: "started"; readonly instance: Instance }
  | { readonly kind: "ended"; readonly instance: Instance; readonly call: number; readonly executionMs: number }
  | { readonly kind: "node" }
  | { readonly kind: "ready" };

export function run2020(load: Load2020, policy: Policy, options: Run2020Options): Run2020 {
  const { seed, settings = {}, learnsNeed, onProgress = () => {} } = options;
  const world = new FleetWorld(load, seed, learnsNeed);
  const scheduler = new Scheduler<number>(policy, world, {
    nodesMax: CONTEST_NODES_MAX,
    nodeSize: CONTEST_NODE,
    waitingMax: Infinity,
    ...settings,
  });
  return world.run(scheduler, onProgress);
}

class FleetWorld implements Effects<number> {
  readonly #load: Load2020;
  readonly #random: () => number;
  readonly #learnsNeed: boolean;
  readonly #events = new EventQueue<Event>();
  readonly #stopped: Instance[] = [];
  readonly #pools: FunctionPool[] = [];
  readonly #indexOf = new Map<FunctionPool, number>();
  readonly #responseMs: number[];
  readonly #calls: number[];
  readonly #reservedAtMs = new Map<Node, number>();
  readonly #busyCpus = new Map<Node, number>();
  #nowMs = 0;
  #ready = NODES_READY;
  #nodes = 0;
  #nodesMost = 0;
  #nodeMs = 0;
  #answered = 0;
  #errors = 0;

  constructor(load: Load2020, seed: number, learnsNeed: boolean) {
    this.#load = load;
    this.#random = seededRandom(seed);
    this.#learnsNeed = learnsNeed;
    this.#responseMs = load.functions.map(() => 0);
    this.#calls = load.functions.map(() => 0);
  }

  run(scheduler: Scheduler<number>, onProgress: (calls: number) => void): Run2020 {
    const { functions, functionOf, startMs } = this.#load;
    const calls = startMs.length;
    for (const { key, memoryMb } of functions) {
      const pool = scheduler.declare({ key, memoryMb }, 0);
      this.#indexOf.set(pool, this.#pools.length);
      this.#pools.push(pool);
    }
    for (let call = 0; this.#answered < calls;) {
      const arrivalMs = call < calls ? startMs[call]! : Infinity;
      const wakeMs = scheduler.nextWakeMs();
      const eventMs = this.#events.nextMs;
      if (eventMs <= arrivalMs && eventMs <= wakeMs) {
        this.#nowMs = eventMs;
        this.#events.take();
        this.#happens(scheduler, this.#events.what!);
      } else if (wakeMs <= arrivalMs) {
        this.#nowMs = Math.max(this.#nowMs, wakeMs);
        scheduler.tick(wakeMs);
      } else {
        this.#nowMs = arrivalMs;
        scheduler.acquire(this.#pools[functionOf[call]!]!, call, arrivalMs + ACQUIRE_MS_MAX, arrivalMs);
        call++;
        if (call % PROGRESS_CALLS === 0) onProgress(call);
      }
      while (this.#stopped.length > 0) scheduler.instanceGone(this.#stopped.pop()!, this.#nowMs);
    }
    for (const reservedAtMs of this.#reservedAtMs.values()) this.#nodeMs += this.#nowMs - reservedAtMs;
    return {
      responseMs: this.#responseMs,
      calls: this.#calls,
      nodeMs: this.#nodeMs,
      nodesMost: this.#nodesMost,
      errors: this.#errors,
      starts: scheduler.counts.starts,
    };
  }

  #happens(scheduler: Scheduler<number>, event: Event): void {
    switch (event.kind) {
      case "started":
        return scheduler.instanceStarted(event.instance, this.#nowMs);
      case "ended": {
        const { instance, executionMs } = event;
        const { usedMb, cpus } = this.#load.functions[this.#indexOf.get(instance.pool)!]!;
        this.#busyCpus.set(instance.node, (this.#busyCpus.get(instance.node) ?? 0) - cpus);
        this.#answered++;
        const learned = this.#learnsNeed ? { memoryMb: usedMb, cpus } : {};
        return scheduler.release(instance, { executionMs, ...learned }, this.#nowMs);
      }
      case "node": {
        const node = scheduler.nodeReserved(
          { id: `node${this.#nodes++}`, address: "", port: 0, ...CONTEST_NODE },
          this.#nowMs,
        );
        this.#reservedAtMs.set(node, this.#nowMs);
        this.#nodesMost = Math.max(this.#nodesMost, this.#reservedAtMs.size);
        return;
      }
      case "ready":
        this.#ready++;
        return;
      default:
        event satisfies never;
    }
  }

  granted(call: number, instance: Instance): void {
    const index = this.#load.functionOf[call]!;
    const { cpus } = this.#load.functions[index]!;
    const { node } = instance;
    const busyCpus = (this.#busyCpus.get(node) ?? 0) + cpus;
    this.#busyCpus.set(node, busyCpus);
    const executionMs = this.#load.durationMs[call]! * Math.max(1, busyCpus / node.description.cpus);
    this.#responseMs[index]! += this.#nowMs - this.#load.startMs[call]! + executionMs + 2 * RPC_MS;
    this.#calls[index]!++;
    this.#events.push(this.#nowMs + executionMs, { kind: "ended", instance, call, executionMs }, call);
  }

  refused(): void {
    this.#errors++;
    this.#answered++;
  }

  startInstance(instance: Instance): void {
    const startMs = START_MS.min + this.#random() * (START_MS.max - START_MS.min);
    this.#events.push(this.#nowMs + startMs, { kind: "started", instance }, 0);
  }

  stopInstance(instance: Instance): void {
    this.#stopped.push(instance);
  }

  /** One that is not ready is waited for: the pool is refilled up to its size. */
  reserveNode(): void {
    let inMs = NODE_RESERVED_MS;
    if (this.#ready > 0) this.#ready--;
    else inMs += this.#random() * NODE_BACK_MS_MAX;
    this.#events.push(this.#nowMs + inMs, { kind: "node" }, 0);
  }

  releaseNode(node: Node): void {
    this.#nodeMs += this.#nowMs - this.#reservedAtMs.get(node)!;
    this.#reservedAtMs.delete(node);
    this.#events.push(this.#nowMs + this.#random() * NODE_BACK_MS_MAX, { kind: "ready" }, 0);
  }

  leaseEnded(): void {}
  instanceFailed(): void {}
  nodeNoted(): void {}
}
