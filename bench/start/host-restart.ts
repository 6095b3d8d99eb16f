// Ends a sandbox host and waits for the next one.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "#compute/cli/interruption.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import type { FreshFunction } from "./fresh-function.ts";

const HOST_DEADLINE_MS = 30_000;
/** Short against a restart, and long enough to leave the machine to the host that starts. */
const RETRY_MS = 2;

/** Throws if there is none. */
export function hostOf(stack: PlacedStack, side: Side): number {
  const { computeHost, storageHost } = stack.processes();
  const [host] = side === "compute" ? computeHost : storageHost;
  if (host === undefined) throw new Error(`there is no sandbox host at ${side}`);
  return host;
}

/**
 * Kills the host and calls at once: the call waits for the next one, which is then put where its predecessor was. Resolves with
 * the time until its answer, ms.
 */
export async function restartHost(stack: PlacedStack, fresh: FreshFunction, side: Side): Promise<number> {
  const startedMs = performance.now();
  process.kill(hostOf(stack, side), "SIGKILL");
  await answered(fresh, side);
  const elapsedMs = performance.now() - startedMs;
  stack.pinHosts();
  return elapsedMs;
}

/** The first call may have been on its way to the host when that was killed: then it is told so, and made again. */
async function answered(fresh: FreshFunction, side: Side): Promise<void> {
  const deadlineMs = performance.now() + HOST_DEADLINE_MS;
  for (;;) {
    try {
      await fresh.call(side);
      return;
    } catch (error) {
      if (interruption().aborted || performance.now() > deadlineMs) throw error;
      await sleep(RETRY_MS);
    }
  }
}
