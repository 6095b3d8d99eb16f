// A world for tests: it notes what the scheduler commands. What comes of that, the test tells.

import type { Effects } from "./effects.ts";
import type { Instance } from "./instance/instance.ts";
import type { Node } from "./node/node.ts";

export class RecordedEffects implements Effects<string> {
  readonly grants = new Map<string, Instance>();
  readonly refusals = new Map<string, string>();
  readonly starting: Instance[] = [];
  readonly stopping: Instance[] = [];
  readonly stopReasons: string[] = [];
  readonly ended: string[] = [];
  readonly released: string[] = [];
  reservations = 0;

  granted(ticket: string, instance: Instance): void {
    if (this.grants.has(ticket) || this.refusals.has(ticket)) throw new Error(`${ticket} was answered twice`);
    this.grants.set(ticket, instance);
  }

  refused(ticket: string, error: Error & { readonly code: string }): void {
    if (this.grants.has(ticket) || this.refusals.has(ticket)) throw new Error(`${ticket} was answered twice`);
    this.refusals.set(ticket, error.code);
  }

  startInstance(instance: Instance): void {
    this.starting.push(instance);
  }

  stopInstance(instance: Instance, reason: string): void {
    this.stopping.push(instance);
    this.stopReasons.push(reason);
  }

  reserveNode(): void {
    this.reservations++;
  }

  releaseNode(node: Node): void {
    this.released.push(node.id);
  }

  leaseEnded(_lease: unknown, why: string): void {
    this.ended.push(why);
  }

  instanceFailed(): void {}

  nodeNoted(): void {}
}
