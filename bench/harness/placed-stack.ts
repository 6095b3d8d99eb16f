// The embedded stack with functions deployed, each part on its own cores: what benchmarks of functions run against.

import { interruption } from "#compute/cli/interruption.ts";
import type { Settings } from "#test/tool.ts";
import { openStack, type Stack, type StackOptions } from "../stack.ts";
import { pin, type Layout } from "./cores.ts";
import { descendantsOf } from "./processes.ts";

/** Each side has a sandbox host of its own. */
type StackPart = "redis" | "storageHost" | "node" | "computeHost";

export interface PlacedStack extends Stack {
  /** The processes that it is made of now. */
  processes(): Readonly<Record<StackPart, readonly number[]>>;
  /** A host that was started again runs where its supervisor does until this puts it on its own cores. */
  pinHosts(): void;
}

/** With these nothing is placed: a call that comes to Redis runs there, and one to the node where it is asked for. */
export const NOTHING_PLACED: Settings = { LOCUS_PLACEMENT: "declared" };

/** `functions`: files, or none. `options`: what the stack is to be besides. Ends with `resources`. From here on this process, and what it starts, is where the load belongs. */
export async function startPlacedStack(
  functions: readonly string[],
  { pinned, cores }: Layout,
  resources: AsyncDisposableStack,
  options: Pick<StackOptions, "confinement" | "moduleArguments" | "settings"> = {},
): Promise<PlacedStack> {
  // Both sides count the cores when they start, and find two: those of the storage side.
  if (pinned) pin(process.pid, [...new Set([...cores.redis, ...cores.host])]);
  const stack = await openStack({ httpPort: 0, ...options, signal: interruption() }, resources);
  if (functions.length > 0) await stack.run("locus", "deploy", ...functions);

  const redisPid = stack.redis.pid();
  const { nodePid } = stack;
  const pinHosts = (): void => {
    if (!pinned) return;
    for (const pid of descendantsOf(redisPid)) pin(pid, cores.host);
    for (const pid of descendantsOf(nodePid)) pin(pid, cores.node);
  };
  if (pinned) {
    pin(redisPid, cores.redis);
    pin(nodePid, cores.node);
    pin(process.pid, cores.load);
  }
  pinHosts();
  return {
    ...stack,
    pinHosts,
    processes: () => ({
      redis: [redisPid],
      storageHost: descendantsOf(redisPid),
      node: [nodePid],
      computeHost: descendantsOf(nodePid),
    }),
  };
}
