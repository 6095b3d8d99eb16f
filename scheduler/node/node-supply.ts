// Nodes come and go: more are reserved where starts find no room, and ahead of that as many empty ones as are to be kept; those that are empty for a
// while are released, within the settings' bounds. Those that came by themselves go by themselves.

import { counted } from "#runtime/counted.ts";
import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "../alarm.ts";
import type { Effects } from "../effects.ts";
import { HeapEntry, type IndexedHeap } from "../indexed-heap.ts";
import type { StarvedPools } from "../instance/starved-pools.ts";
import { ROUNDING } from "../rounding.ts";
import type { SchedulerSettings } from "../settings.ts";
import type { Fleet } from "./fleet.ts";
import type { Node, NodeDescription } from "./node.ts";

/** After a refusal the next reservation waits so long where starts want a node. Chosen. */
const RETRY_MS = 1_000;
/** And so long where one is only to be kept ahead: as long as the 2020 contest's manager takes at most to have another ready. */
const RETRY_AHEAD_MS = 30_000;
/** An empty node that is kept is not looked at again before, however soon one goes that is not: whether it is kept still depends on the others. Chosen. */
const KEPT_LOOK_MS = 1_000;

interface Ports {
  readonly settings: Pick<SchedulerSettings, "nodesMax" | "nodesMin" | "nodesAhead" | "nodeIdleMs" | "nodeSize">;
  readonly fleet: Fleet;
  readonly alarms: IndexedHeap<Alarm>;
  readonly effects: Pick<Effects<unknown>, "reserveNode" | "releaseNode" | "nodeNoted">;
}

export class NodeSupply {
  readonly #ports: Ports;
  readonly #refill = new HeapEntry<Alarm>({ kind: "refill" });
  /** Asked for, and not answered yet. */
  #pending = 0;
  #refusedMs = -Infinity;
  #keepsAhead = false;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** From now on nodes are kept ahead: those that were there before are known. */
  keepAhead(): void {
    this.#keepsAhead = true;
  }

  /** As many more as their starts would fill, or as are to be kept ahead, and as there may be. Whether some are on their way. */
  reserve(starved: StarvedPools, now: number): boolean {
    const { fleet, alarms, effects, settings } = this.#ports;
    const { nodesMax, nodeSize } = settings;
    if (nodesMax === 0) return false;
    const wanted = starved.nodesWanted(nodeSize, now);
    const most = Math.min(Math.max(wanted, this.#lackingAhead), nodesMax - fleet.nodes.size);
    if (this.#pending < most) {
      const fromMs = this.#refusedMs + (wanted > this.#pending ? RETRY_MS : RETRY_AHEAD_MS);
      if (now < fromMs) alarms.set(this.#refill, fromMs);
      else {
        for (; this.#pending < most; this.#pending++) effects.reserveNode();
      }
    }
    return this.#pending > 0;
  }

  /** Whether an instance of that need may ever find room: nodes that are reserved are alike, so others would have no more memory than those that came. */
  mayHold(memoryMb: number): boolean {
    const { fleet, settings } = this.#ports;
    return settings.nodesMax === 0 || fleet.memoryMbMost === 0 || memoryMb <= fleet.memoryMbMost + ROUNDING;
  }

  /**
   * One that was asked for: it goes back at once where others have come by themselves meanwhile, and it is one too many. REQUEST_INVALID where it is
   * there already.
   */
  granted(description: NodeDescription): Node {
    const { fleet, settings } = this.#ports;
    this.#answered();
    const node = this.came(description);
    if (fleet.nodes.size > settings.nodesMax)
      this.#release(node, `${counted(settings.nodesMax, "node")} there already`);
    return node;
  }

  /** By itself. REQUEST_INVALID where it is there already. */
  came(description: NodeDescription): Node {
    const { fleet, effects } = this.#ports;
    if (fleet.nodes.has(description.id)) {
      throw new LocusError("REQUEST_INVALID", `node "${description.id}" is known already`);
    }
    const node = fleet.add(description);
    effects.nodeNoted(node.id, "reserved", `${counted(fleet.nodes.size, "node")} there now`);
    return node;
  }

  refused(why: string, now: number): void {
    this.#answered();
    this.#refusedMs = now;
    this.#ports.effects.nodeNoted("", "refused", why);
  }

  lost(node: Node, why: string): void {
    const { fleet, alarms, effects } = this.#ports;
    alarms.remove(node.idleAlarm);
    fleet.remove(node);
    effects.nodeNoted(node.id, "lost", why);
  }

  /** It takes no new instances, and is released once it is empty. */
  drain(node: Node): void {
    const { fleet, effects } = this.#ports;
    node.draining = true;
    fleet.changed(node);
    effects.nodeNoted(node.id, "draining", "asked for");
  }

  /** It has come, or has lost an instance. */
  mayBeEmpty(node: Node, now: number): void {
    const { alarms, settings } = this.#ports;
    if (!node.isEmpty || node.gone) return;
    if (node.draining) this.#release(node, "drained");
    else if (settings.nodesMax > 0) alarms.set(node.idleAlarm, now + settings.nodeIdleMs);
  }

  /** It was empty for long. */
  releaseSpare(node: Node, now: number): void {
    const { fleet, alarms, settings } = this.#ports;
    const { nodesMin, nodesAhead, nodeIdleMs } = settings;
    if (!node.isEmpty || node.gone) return;
    // As many as were empty and are kept: those that come later than this one are looked at by their own alarms.
    const isKept = fleet.nodes.size <= nodesMin || fleet.emptyNodes <= nodesAhead;
    if (isKept) alarms.set(node.idleAlarm, now + Math.max(KEPT_LOOK_MS, nodeIdleMs));
    else this.#release(node, `empty for ${nodeIdleMs} ms`);
  }

  /** Those on their way are of these. */
  get #lackingAhead(): number {
    const { fleet, settings } = this.#ports;
    if (!this.#keepsAhead) return 0;
    return Math.max(settings.nodesAhead - fleet.emptyNodes, settings.nodesMin - fleet.nodes.size);
  }

  #answered(): void {
    this.#pending = Math.max(0, this.#pending - 1);
  }

  #release(node: Node, why: string): void {
    const { fleet, alarms, effects } = this.#ports;
    alarms.remove(node.idleAlarm);
    fleet.remove(node);
    effects.releaseNode(node, why);
  }
}
