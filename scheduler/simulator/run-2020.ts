// The 2020 contest's world in virtual time, around the very Scheduler that runs live: nodes come from the stock that our ResourceManager has, ten
// ready and at most twenty, a released or missing one takes up to 30 s, a container starts in 3 to 4 s, and calls that want more CPU than their node
// has take longer by as much. The scheduler hears what the contest's messages tell, and no more: of a call its time and its memory, and at each look
// at the nodes what containers have used. What is measured is what the score is made of.

import { seededRandom } from "#runtime/seeded-random.ts";
import type { Effects, StopReason } from "../effects.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { Node } from "../node/node.ts";
import type { Policy } from "../policy/policy.ts";
import { Scheduler } from "../scheduler.ts";
import { NodeStock } from "../service/node-stock.ts";
import {
  CONTEST_NODE,
  CONTEST_NODES_MAX,
  CONTEST_SETTINGS,
  NODE_LOOK_MS,
  type SchedulerSettings,
} from "../settings.ts";
import { EventQueue } from "./event-queue.ts";
import type { Load2020 } from "./load-2020.ts";

const MIB = 2 ** 20;
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
  /** Containers that ended while their policy would have kept them, since others found no room. */
  readonly evictions: number;
}

export interface Run2020Options {
  readonly seed: number;
  /** Instead of those that the contest's scheduler has. */
  readonly settings?: Partial<SchedulerSettings>;
  /** Whether instances are packed by what they were seen to use; else by what is configured. */
  readonly learnsNeed: boolean;
  /** Told how many calls have come. */
  readonly onProgress?: (calls: number) => void;
}

type Event =
  | { readonly kind: "started"; readonly instance: Instance }
  | { readonly kind: "ended"; readonly instance: Instance; readonly call: number; readonly executionMs: number }
  | { readonly kind: "node"; readonly id: string }
  | { readonly kind: "no node" }
  | { readonly kind: "look" };

/** Of an instance, what GetStats would tell by: CPU time of its calls. */
interface Used {
  cpuMs: number;
  /** Of the call that runs, from then on. */
  cpus: number;
  sinceMs: number;
  /** At the last look: when, and how much it had used. */
  lookedMs: number;
  lookedCpuMs: number;
}

export function run2020(load: Load2020, policy: Policy, options: Run2020Options): Run2020 {
  const { seed, settings = {}, learnsNeed, onProgress = () => {} } = options;
  const world = new FleetWorld(load, seed, learnsNeed);
  const scheduler = new Scheduler<number>(policy, world, {
    ...CONTEST_SETTINGS,
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
  readonly #reservedAtMs = new Map<string, number>();
  readonly #busyCpus = new Map<Node, number>();
  readonly #used = new WeakMap<Instance, Used>();
  readonly #stock: NodeStock;
  #nowMs = 0;
  #nodesMost = 0;
  #nodeMs = 0;
  #answered = 0;
  #errors = 0;
  #evictions = 0;

  constructor(load: Load2020, seed: number, learnsNeed: boolean) {
    this.#load = load;
    this.#random = seededRandom(seed);
    this.#learnsNeed = learnsNeed;
    this.#stock = new NodeStock({
      nodes: Array.from({ length: CONTEST_NODES_MAX }, (_, index) => ({
        id: `node${index}`,
        address: "",
        port: 0,
        memoryBytes: CONTEST_NODE.memoryMb * MIB,
      })),
      ready: NODES_READY,
      reservedMax: CONTEST_NODES_MAX,
      refillMs: () => this.#random() * NODE_BACK_MS_MAX,
      now: () => this.#nowMs,
      unixMs: () => this.#nowMs,
    });
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
    scheduler.begin(0);
    if (this.#learnsNeed) this.#events.push(NODE_LOOK_MS, { kind: "look" }, 0);
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
      evictions: this.#evictions,
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
        this.#uses(instance, 0);
        this.#answered++;
        const learned = this.#learnsNeed ? { memoryMb: usedMb } : {};
        return scheduler.release(instance, { executionMs, ...learned }, this.#nowMs);
      }
      case "node": {
        scheduler.nodeReserved({ id: event.id, address: "", port: 0, ...CONTEST_NODE }, this.#nowMs);
        this.#reservedAtMs.set(event.id, this.#nowMs);
        this.#nodesMost = Math.max(this.#nodesMost, this.#reservedAtMs.size);
        return;
      }
      case "no node":
        return scheduler.nodeRefused("no available node can be reserved", this.#nowMs);
      case "look":
        for (const instance of scheduler.instances()) this.#look(scheduler, instance);
        return this.#events.push(this.#nowMs + NODE_LOOK_MS, { kind: "look" }, 0);
      default:
        event satisfies never;
    }
  }

  /** As node-watch.ts does with what GetStats says. */
  #look(scheduler: Scheduler<number>, instance: Instance): void {
    if (instance.state === "starting" || instance.state === "gone") return;
    const used = this.#uses(instance);
    const { cpuMs, lookedMs, lookedCpuMs } = used;
    used.lookedMs = this.#nowMs;
    used.lookedCpuMs = cpuMs;
    if (lookedMs < 0 || !instance.ranSince(lookedMs)) return;
    const { usedMb: memoryMb } = this.#load.functions[this.#indexOf.get(instance.pool)!]!;
    scheduler.instanceSeen(instance, { memoryMb, cpus: (cpuMs - lookedCpuMs) / (this.#nowMs - lookedMs) }, this.#nowMs);
  }

  /** What it has used until now; and from now on so many CPUs, where something else runs there. */
  #uses(instance: Instance, cpus?: number): Used {
    const used = this.#used.get(instance) ?? { cpuMs: 0, cpus: 0, sinceMs: 0, lookedMs: -1, lookedCpuMs: 0 };
    used.cpuMs += used.cpus * (this.#nowMs - used.sinceMs);
    used.sinceMs = this.#nowMs;
    if (cpus !== undefined) used.cpus = cpus;
    this.#used.set(instance, used);
    return used;
  }

  granted(call: number, instance: Instance): void {
    const index = this.#load.functionOf[call]!;
    const { cpus } = this.#load.functions[index]!;
    const { node } = instance;
    const busyCpus = (this.#busyCpus.get(node) ?? 0) + cpus;
    this.#busyCpus.set(node, busyCpus);
    const slowness = Math.max(1, busyCpus / node.description.cpus);
    const executionMs = this.#load.durationMs[call]! * slowness;
    this.#uses(instance, cpus / slowness);
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

  stopInstance(instance: Instance, reason: StopReason): void {
    if (reason === "makes room") this.#evictions++;
    this.#stopped.push(instance);
  }

  reserveNode(): void {
    this.#events.push(this.#nowMs + NODE_RESERVED_MS, this.#taken(), 0);
  }

  releaseNode(node: Node): void {
    this.#nodeMs += this.#nowMs - this.#reservedAtMs.get(node.id)!;
    this.#reservedAtMs.delete(node.id);
    this.#busyCpus.delete(node);
    this.#stock.giveBack(node.id);
  }

  #taken(): Event {
    try {
      return { kind: "node", id: this.#stock.take().id };
    } catch {
      return { kind: "no node" };
    }
  }

  leaseEnded(): void {}
  instanceFailed(): void {}
  nodeNoted(): void {}
}
