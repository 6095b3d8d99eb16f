// A compute host as the scheduler sees it: what it offers, what was promised of it to instances, and what it says of itself.

import { HeapEntry, IndexedHeap } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { Instance } from "../instance/instance.ts";
import { ROUNDING } from "../rounding.ts";

/** What nodes are packed by. Infinity where a node has no bound. */
export interface Resources {
  readonly memoryMb: number;
  readonly cpus: number;
}

/** A node as whoever provides it describes it. */
export interface NodeDescription extends Resources {
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

/** What a node tells of itself now and then. */
export interface NodeStats {
  /** Still free by its own figures; without what it keeps for itself. */
  readonly availableMemoryMb: number;
  /** What our instances use there, as it sees them. */
  readonly instancesMemoryMb: number;
}

export class Node {
  readonly description: NodeDescription;
  /** Order of coming: instances are used on low ranks first, so that high ones can be drained. */
  readonly rank: number;
  /** Whether it can be full at all. */
  readonly isBounded: boolean;
  /** Promised to instances that have not gone. Never more than offered. */
  #promisedMb = 0;
  #promisedCpus = 0;
  /** Taken by others than our instances, as the last stats had it. */
  #foreignMb = 0;
  instances = 0;
  /** Idle instances, the least worth on top. */
  readonly idle = new IndexedHeap<Instance>();
  idleMb = 0;
  idleCpus = 0;
  draining = false;
  gone = false;
  /** Promised to instances that use most of their CPU share. */
  #heavyCpus = 0;
  /** What is promised to instances that drain: it comes back soon. */
  drainingMb = 0;
  drainingCpus = 0;
  readonly idleAlarm: HeapEntry<Alarm>;
  /** Whether the fleet counts it among the empty ones. */
  isSpare = false;
  /** Where the fleet's index has it. */
  cell = -1;
  nextInCell: Node | null = null;
  previousInCell: Node | null = null;

  constructor(description: NodeDescription, rank: number) {
    this.description = description;
    this.rank = rank;
    this.isBounded = description.memoryMb !== Infinity || description.cpus !== Infinity;
    this.idleAlarm = new HeapEntry<Alarm>({ kind: "node-idle", node: this });
  }

  get id(): string {
    return this.description.id;
  }

  /**
   * For new instances. Our own accounts and what the node says may differ; the smaller wins: a promise stands although the memory is not used
   * yet, and what others use is not there although we promised it to nobody. Never below 0.
   */
  get freeMb(): number {
    return Math.max(0, this.description.memoryMb - this.#promisedMb - this.#foreignMb);
  }

  get freeCpus(): number {
    return Math.max(0, this.description.cpus - this.#promisedCpus);
  }

  get promised(): Resources {
    return { memoryMb: this.#promisedMb, cpus: this.#promisedCpus };
  }

  fits(memoryMb: number, cpus: number): boolean {
    return memoryMb <= this.freeMb + ROUNDING && cpus <= this.freeCpus + ROUNDING;
  }

  /** Once those that drain are gone. */
  willFit(memoryMb: number, cpus: number): boolean {
    return memoryMb <= this.freeMb + this.drainingMb + ROUNDING && cpus <= this.freeCpus + this.drainingCpus + ROUNDING;
  }

  /** Were the idle ones ended as well. */
  couldFit(memoryMb: number, cpus: number): boolean {
    return this.willFit(memoryMb - this.idleMb, cpus - this.idleCpus);
  }

  get heavyCpus(): number {
    return this.#heavyCpus;
  }

  /** The part of its CPUs that would be promised to heavy ones, were one more of them here. */
  heavyShareWith(cpus: number): number {
    return (this.#heavyCpus + cpus) / this.description.cpus;
  }

  get isEmpty(): boolean {
    return this.instances === 0;
  }

  add(instance: Pick<Instance, "memoryMb" | "cpus" | "isCpuHeavy">): void {
    this.instances++;
    this.#promisedMb += instance.memoryMb;
    this.#promisedCpus += instance.cpus;
    if (instance.isCpuHeavy) this.#heavyCpus += instance.cpus;
  }

  /** It holds so much from now on, no more than is free, and is heavy on the CPU or is not. */
  resize(instance: Instance, memoryMb: number, cpus: number, isCpuHeavy: boolean): void {
    this.#promisedMb -= instance.memoryMb - memoryMb;
    this.#promisedCpus -= instance.cpus - cpus;
    const heavyBefore = instance.isCpuHeavy ? instance.cpus : 0;
    this.#heavyCpus += (isCpuHeavy ? cpus : 0) - heavyBefore;
    instance.memoryMb = memoryMb;
    instance.cpus = cpus;
    instance.isCpuHeavy = isCpuHeavy;
  }

  remove(instance: Instance): void {
    this.instances--;
    this.#promisedMb = this.isEmpty ? 0 : this.#promisedMb - instance.memoryMb;
    this.#promisedCpus = this.isEmpty ? 0 : this.#promisedCpus - instance.cpus;
    this.#heavyCpus = this.isEmpty ? 0 : this.#heavyCpus - (instance.isCpuHeavy ? instance.cpus : 0);
  }

  told({ availableMemoryMb, instancesMemoryMb }: NodeStats): void {
    const { memoryMb } = this.description;
    // Without a bound others take nothing away.
    this.#foreignMb = memoryMb === Infinity ? 0 : Math.max(0, memoryMb - availableMemoryMb - instancesMemoryMb);
  }
}
