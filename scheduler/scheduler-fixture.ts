// A scheduler for tests, over a world that notes what it commands; and what holds of any, whatever has happened.

import { expect } from "vitest";

import type { FunctionPool } from "./instance/function-pool.ts";
import { fixedKeepAlive } from "./policy/fixed.ts";
import type { FunctionPolicy, Policy } from "./policy/policy.ts";
import { RecordedEffects } from "./recorded-effects.ts";
import { Scheduler } from "./scheduler.ts";
import type { SchedulerSettings } from "./settings.ts";

export const NODE = { id: "n1", address: "", port: 0, memoryMb: 1_000, cpus: 1_000 };
export const MINUTE = fixedKeepAlive("a minute", { keepAliveMs: 60_000, lookEveryMs: 0 });
/** Whatever is free first serves whoever waits. */
export const SHARING: Policy = { ...MINUTE, sharesStarts: true };

/** `node`: one that is there; null: none. */
export const setUp = (
  settings: Partial<SchedulerSettings> = {},
  policy: Policy = SHARING,
  node: typeof NODE | null = NODE,
) => {
  const effects = new RecordedEffects();
  const scheduler = new Scheduler<string>(policy, effects, settings);
  if (node !== null) scheduler.nodeCame(node, 0);
  return { effects, scheduler };
};
/** It decides as before; and how many calls it has heard to have come, and not to have ended, and how long they waited in all. */
export const overheard = (policy: Policy) => {
  const heard = { came: 0, underWay: 0, waitedMs: 0 };
  const counts: Readonly<Record<string, number>> = { arrived: 1, ended: -1, left: -1 };
  const listen = (of: FunctionPolicy): FunctionPolicy =>
    new Proxy(of, {
      get: (_, name) => {
        const method = Reflect.get(of, name, of) as (...told: unknown[]) => unknown;
        return (...told: unknown[]) => {
          heard.underWay += counts[String(name)] ?? 0;
          if (name === "arrived") heard.came++;
          if (name === "waited") heard.waitedMs += Number(told[0]);
          return method.apply(of, told);
        };
      },
    });
  const listening: Policy = {
    name: policy.name,
    sharesStarts: policy.sharesStarts,
    attach: (capacity) => policy.attach(capacity),
    follow: (facts, nowMs, saved) => listen(policy.follow(facts, nowMs, saved)),
    save: () => policy.save(),
    restore: (saved) => policy.restore(saved),
  };
  return { policy: listening, heard };
};

/** By a call that ended well. */
export const used = { executionMs: 1 };

/** That do not wait for an instance to lend. */
function callsWaiting({ queue }: FunctionPool): number {
  let calls = 0;
  for (let waiter = queue.first; waiter !== null; waiter = waiter.next) calls += waiter.isToLend ? 0 : 1;
  return calls;
}

const NOTHING = { memoryMb: 0, cpus: 0, heavyCpus: 0 };

/** Counts are what instances are, and no node is promised more than it offers. */
export function check(scheduler: Scheduler<string>): void {
  const counted = { starting: 0, idle: 0, draining: 0 };
  const promised = new Map<string, { memoryMb: number; cpus: number; heavyCpus: number }>();
  for (const instance of scheduler.instances()) {
    if (instance.state !== "busy" && instance.state !== "gone") counted[instance.state]++;
    const { id } = instance.node;
    const { memoryMb, cpus, heavyCpus } = promised.get(id) ?? NOTHING;
    promised.set(id, {
      memoryMb: memoryMb + instance.memoryMb,
      cpus: cpus + instance.cpus,
      heavyCpus: heavyCpus + (instance.isCpuHeavy ? instance.cpus : 0),
    });
    expect(instance.state === "idle" ? instance.running : 0).toBe(0);
  }
  expect(scheduler.counts).toMatchObject(counted);
  let [waiting, unplaced] = [0, 0];
  for (const pool of scheduler.functions()) {
    waiting += pool.waiting;
    unplaced += pool.unplaced;
    // While one takes another's place both are there.
    expect(pool.live - (pool.replacement === null ? 0 : 1)).toBeLessThanOrEqual(pool.config.instancesMax);
    // Nobody waits while one is free, but for a start of its own; where starts are shared none has that but what grows.
    const startless = pool.waiting - pool.starting;
    const calls = scheduler.policy.sharesStarts ? callsWaiting(pool) : 0;
    expect(startless > 0 || calls > 0 ? pool.idle : 0).toBe(0);
  }
  expect(scheduler.counts).toMatchObject({ waiting, unplaced });
  const nodes = [...scheduler.fleet.nodes.values()];
  expect(scheduler.fleet.emptyNodes).toBe(nodes.filter((node) => node.isEmpty && !node.draining).length);
  for (const node of nodes) {
    // What is free is never said to be below 0, so what is asserted is what it is made of: instances hold no more than the node offers.
    const held = promised.get(node.id) ?? NOTHING;
    expect(node.promised.memoryMb).toBeCloseTo(held.memoryMb);
    expect(node.promised.cpus).toBeCloseTo(held.cpus);
    expect(node.heavyCpus).toBeCloseTo(held.heavyCpus);
    expect(held.memoryMb).toBeLessThanOrEqual(node.description.memoryMb + 1e-6);
    expect(held.cpus).toBeLessThanOrEqual(node.description.cpus + 1e-6);
  }
}
