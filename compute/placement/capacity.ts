// The capacity for calls: the cores of all nodes and of Redis' machine, as each of them reports.

import { callersAfter, callersGrown, inFlightAt, type Callers } from "#runtime/placement/callers.ts";
import type { Capacity } from "#runtime/placement/pool-use.ts";
import { ACTIVE_MS } from "#runtime/placement/view.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import type { Machine, SampleWindow } from "./messages.ts";

/** Further nodes are ignored. */
const NODES_MAX = 1_024;
/** At least this part of a thread or core is available for calls, whatever else runs there. Not sensitive. */
const AVAILABLE_MIN = 0.1;
/** Functions may use this part of the memory for isolates: those called most have several isolates. Not sensitive. */
const ISOLATES_USED = 0.9;

/** Redis, its machine, and the sandbox hosts beside it. */
export interface Storage {
  /** null: unknown. */
  readonly machine: Machine | null;
  /** Isolates that its hosts have memory for; Infinity: unknown. */
  readonly isolatesMax: number;
  /** Calls can run there. */
  readonly isOpen: boolean;
  /** The read cache is in use. */
  readonly findsReads: boolean;
}

/** Work that is not for calls, in cores: of all nodes, and of Redis' thread for plain clients. */
interface OtherWork {
  readonly ofNodes: number;
  readonly ofRedis: number;
}

/** What a node brings. `isolatesMax`: as of Storage; null: unknown. */
type Own = Pick<SampleWindow, "machine" | "isolatesMax">;

interface ReportingNode extends Callers {
  /** null: calls that came without a node bring nothing. */
  readonly own: Own | null;
}

/** Stands for calls that came straight to Redis. No node has this name. */
const DIRECT = "";

export class Nodes {
  readonly #nodes = new Map<string, ReportingNode>();

  /** A node has sent a window. */
  report(node: string, own: Own | null, window: Parameters<typeof callersAfter>[1], nowMs: number): void {
    const before = this.#nodes.get(node);
    if (before === undefined && this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(node, { own, ...callersAfter(before, window, nowMs) });
  }

  /** A window of calls that came straight to Redis. */
  reportDirect(window: Parameters<typeof callersAfter>[1], nowMs: number): void {
    this.report(DIRECT, null, window, nowMs);
  }

  /** A node without calls for a while does not count. */
  forgetSilent(nowMs: number): void {
    for (const [node, { atMs }] of this.#nodes) if (nowMs - atMs > ACTIVE_MS) this.#nodes.delete(node);
  }

  get hasDirect(): boolean {
    return this.#nodes.has(DIRECT);
  }

  /** Nodes that had calls lately. */
  get count(): number {
    return this.#nodes.size - (this.hasDirect ? 1 : 0);
  }

  callersGrown(nowMs: number): number {
    return callersGrown(this.#nodes.values(), nowMs);
  }

  inFlight(nowMs: number): number {
    return inFlightAt(this.#nodes.values(), nowMs);
  }

  longestWindowMs(): number {
    return Math.max(WINDOW_MS, ...Array.from(this.#nodes.values(), ({ windowMs }) => windowMs));
  }

  capacity(storage: Storage, { ofNodes, ofRedis }: OtherWork, nowMs: number): Capacity {
    const cores = this.#cores(storage);
    const withoutOthers = (all: number): number => Math.max(all / 2, all - ofNodes);
    const withoutPlain = (all: number): number => Math.max(AVAILABLE_MIN * all, all - ofRedis);
    return {
      computeCores: withoutOthers(cores.computeCores),
      storageCores: cores.storageCores,
      redisThread: withoutPlain(1),
      storageMachineCores: withoutPlain(cores.storageMachineCores),
      sharedCores: withoutPlain(withoutOthers(cores.sharedCores)),
      nodes: Math.max(1, this.count),
      callers: this.inFlight(nowMs),
      room: { compute: roomOf(this.#isolatesMax()), storage: roomOf(storage.isolatesMax) },
    };
  }

  /** Every function may run on every node, so the smallest counts. */
  #isolatesMax(): number {
    return Math.min(...Array.from(this.#nodes.values(), ({ own }) => own?.isolatesMax ?? Infinity));
  }

  /** Nodes on one machine share its cores. If all of them are on Redis' machine, so do both sides. */
  #cores({ machine, isolatesMax, isOpen }: Storage) {
    const machines = new Map<string, { readonly cpus: Set<number>; readonly cores: number }>();
    for (const { own } of this.#nodes.values()) {
      if (own === null) continue;
      const { id, cpus: ownCpus, cores } = own.machine;
      const others = machines.get(id) ?? { cpus: new Set<number>(), cores: 0 };
      const cpus = others.cpus.union(new Set(ownCpus));
      machines.set(id, { cpus, cores: Math.min(cpus.size, others.cores + cores) });
    }
    const computeCores = [...machines.values()].reduce((sum, { cores }) => sum + cores, 0);
    const nodeCpus = machines.get(machine?.id ?? "")?.cpus ?? new Set<number>();
    const sharesSome = machine !== null && machine.cpus.some((cpu) => nodeCpus.has(cpu));
    // A machine counts as one core until it is known.
    const machineCores = machine?.cores ?? 1;
    return {
      computeCores: Math.max(1, computeCores),
      storageCores: isOpen ? Math.min(machineCores, isolatesMax) : 0,
      storageMachineCores: Math.max(1, machineCores),
      sharedCores: sharesSome && machines.size === 1 ? nodeCpus.union(new Set(machine.cpus)).size : Infinity,
    };
  }
}

/** Functions that so many isolates have room for. */
const roomOf = (isolatesMax: number): number => Math.max(1, Math.floor(ISOLATES_USED * isolatesMax));
