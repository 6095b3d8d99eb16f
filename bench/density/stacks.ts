// A stack with many functions, all of the same source, and memory for a number of isolates.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "#compute/cli/interruption.ts";
import { NodeClient } from "#compute/cli/node-client.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Layout } from "../harness/cores.ts";
import { startPlacedStack, type PlacedStack } from "../harness/placed-stack.ts";
import type { StackOptions } from "../stack.ts";
import { FreshFunction, type Source } from "../start/fresh-function.ts";
import { functionName } from "./draw.ts";
import oneGet from "./one-get.ts";

export const SIDES: readonly Side[] = ["compute", "storage"];

const ONE_GET: Source = { file: join(import.meta.dirname, "one-get.ts"), name: oneGet.name };
const DEPLOYMENTS_IN_FLIGHT = 16;
const CALIBRATED_WITHIN_MS = 30_000;
const CALIBRATED_LOOK_MS = 50;

/** The key that each function reads. */
export const KEY = "density";
const VALUE = "x".repeat(100);

interface FilledStackOptions {
  /** How many are deployed, numbered from 0. */
  readonly functions: number;
  /** For which each side has memory. */
  readonly isolates: number;
}

export interface FilledStack extends PlacedStack, FilledStackOptions {
  /** Deploys a function of that name, or a new version of it. */
  readonly deploy: (name: string) => Promise<void>;
  /** The empty function, not deployed yet. */
  readonly empty: FreshFunction;
}

/** What a small isolate may take. */
const ISOLATE_MB = 2;
/** The least that a node takes as the setting. */
const ISOLATE_MEMORY_MB_MIN = 64;

/** Memory for `isolates` on each side. */
function memoryFor(isolates: number): Required<Pick<StackOptions, "settings" | "moduleArguments">> {
  const memoryMb = String(Math.max(ISOLATE_MEMORY_MB_MIN, isolates * ISOLATE_MB));
  return {
    settings: { LOCUS_ISOLATE_MEMORY_MB: memoryMb },
    moduleArguments: ["isolate-memory-mb", memoryMb],
  };
}

/** Resolves when all functions can be called on both sides. */
export async function startFilledStack(
  { functions, isolates }: FilledStackOptions,
  layout: Layout,
  resources: AsyncDisposableStack,
): Promise<FilledStack> {
  const { settings, moduleArguments } = memoryFor(isolates);
  const options = { settings, moduleArguments };
  const stack = await startPlacedStack([], layout, resources, options);
  await calibrated(stack.url);
  await stack.redis.client().set(KEY, VALUE);
  const oneGetFunction = await FreshFunction.bundle(stack.url, ONE_GET);
  const deploy = (name: string): Promise<void> => oneGetFunction.deploy(name);
  let next = 0;
  const deployInTurn = async (): Promise<void> => {
    while (next < functions) await deploy(functionName(next++));
  };
  await Promise.all(Array.from({ length: DEPLOYMENTS_IN_FLIGHT }, deployInTurn));
  for (const side of SIDES) await checkResult(stack.url, side);
  return { ...stack, functions, isolates, deploy, empty: await FreshFunction.bundle(stack.url) };
}

/** Resolves when the node has measured what calls cost on this machine. */
async function calibrated(url: string): Promise<void> {
  const node = new NodeClient({ url, from: "the stack" }, interruption());
  const untilMs = performance.now() + CALIBRATED_WITHIN_MS;
  while ((await node.placement()).constantsFrom !== "measured") {
    if (performance.now() > untilMs) throw new Error(`the node did not calibrate in ${CALIBRATED_WITHIN_MS} ms`);
    await sleep(CALIBRATED_LOOK_MS);
  }
}

/** Rejects unless the first function reads the value. */
async function checkResult(nodeUrl: string, side: Side): Promise<void> {
  const url = `${nodeUrl}/v1/functions/${functionName(0)}/invocations?side=${side}&key=${KEY}`;
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(KEY) });
  const text = await response.text();
  if (text !== JSON.stringify(VALUE)) throw new Error(`${url} answered ${response.status}: ${text}`);
}
