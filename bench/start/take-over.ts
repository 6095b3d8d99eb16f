// One of two nodes over a Redis of their own dies while it controls, and the other takes over: how long until it decides, and how long it calibrates then. A
// node calibrates when it begins to control, so each of these does so for the first time, as one that has just started.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "#compute/cli/interruption.ts";
import type { PlacementOverview } from "#compute/placement/answers.ts";
import { logged } from "#test/compute/node-client.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { startRedisServer } from "#test/redis-server.ts";
import { pin, type Layout } from "../harness/cores.ts";
import { descendantsOf } from "../harness/processes.ts";

/** Who has not taken over, or calibrated, by then will not: it tries again after 1, 2, 4, 8 s where others are at work. */
const DEADLINE_MS = 30_000;
const LOOK_MS = 5;
/** A lease is renewed so often: each death comes at another moment in between. */
const RENEWAL_MS = 500;
/** Multiples of it, whole parts aside, lie evenly: the golden ratio. */
const SPREAD = (Math.sqrt(5) - 1) / 2;

export interface TakeOver {
  /** From the signal to one that has made its first step as controller. */
  readonly seconds: number;
  /** As the node says. */
  readonly calibrateMs: number;
}

/** One after the other: who has taken over dies next. */
export async function takeOvers(layout: Layout, deaths: number): Promise<readonly TakeOver[]> {
  await using resources = new AsyncDisposableStack();
  const redis = await startRedisServer({ signal: interruption() });
  resources.defer(() => redis.close());
  hold(layout, "redis", redis.pid());
  const start = async (): Promise<NodeProcess> => {
    const node = await startNodeOver(redis, (started) => resources.defer(() => started.end("SIGTERM")));
    hold(layout, "node", node.pid);
    return node;
  };
  const seen: TakeOver[] = [];
  let controller = await start();
  await comesTo("control", () => decides(controller));
  for (let death = 1; death <= deaths; death++) {
    const other = await start();
    await sleep(RENEWAL_MS * ((death * SPREAD) % 1));
    const startedMs = performance.now();
    await controller.end("SIGKILL");
    await comesTo("take over", () => decides(other));
    const seconds = (performance.now() - startedMs) / 1e3;
    await comesTo("calibrate", () => calibrationMs(other) !== null);
    seen.push({ seconds, calibrateMs: calibrationMs(other) ?? Number.NaN });
    controller = other;
  }
  return seen;
}

/** A process on its cores, and its sandbox host on those of hosts of that side. */
function hold({ pinned, cores }: Layout, part: "redis" | "node", pid: number): void {
  if (!pinned) return;
  pin(pid, cores[part]);
  for (const host of descendantsOf(pid)) pin(host, cores[part === "redis" ? "host" : "node"]);
}

/** It controls, and has made a step. */
async function decides({ url }: NodeProcess): Promise<boolean> {
  const { controller, outlook } = (await (await fetch(`${url}/v1/placement`)).json()) as PlacementOverview;
  return controller !== null && outlook !== null;
}

function calibrationMs(node: NodeProcess): number | null {
  const line = logged(node).find(({ msg }) => msg === "calibrated");
  return line === undefined ? null : Number(line["tookMs"]);
}

async function comesTo(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!(await condition())) {
    interruption().throwIfAborted();
    if (performance.now() > deadlineMs) throw new Error(`a node did not ${what} within ${DEADLINE_MS / 1e3} s`);
    await sleep(LOOK_MS);
  }
}
