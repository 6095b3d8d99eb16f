// The embedded stack with functions deployed, each part on its own cores: what benchmarks of functions run against.

import { interruption } from "#compute/cli/interruption.ts";
import { openStack, type Stack } from "../stack.ts";
import { pin, type Layout } from "./cores.ts";
import { childrenOf, descendantsOf } from "./processes.ts";

/** Each side has a sandbox host of its own. */
type StackPart = "redis" | "storageHost" | "node" | "computeHost";

export interface PlacedStack extends Stack {
  /** The processes that it is made of now. */
  processes(): Readonly<Record<StackPart, readonly number[]>>;
}

/** `functions`: files. Ends with `resources`. From here on this process, and what it starts, is where the load belongs. */
export async function startPlacedStack(
  functions: readonly string[],
  { pinned, cores }: Layout,
  resources: AsyncDisposableStack,
): Promise<PlacedStack> {
  // Both sides count the cores when they start, and find two: those of the storage side.
  if (pinned) pin(process.pid, [...new Set([...cores.redis, ...cores.host])]);
  const stack = await openStack(0, resources, interruption());
  await stack.run("locus", "deploy", ...functions);

  const redisPid = stack.redis.pid();
  const [nodePid] = childrenOf(process.pid).filter((pid) => pid !== redisPid);
  if (nodePid === undefined) throw new Error("the stack has no node");
  if (pinned) {
    pin(redisPid, cores.redis);
    for (const pid of descendantsOf(redisPid)) pin(pid, cores.host);
    for (const pid of [nodePid, ...descendantsOf(nodePid)]) pin(pid, cores.node);
    pin(process.pid, cores.load);
  }
  return {
    ...stack,
    processes: () => ({
      redis: [redisPid],
      storageHost: descendantsOf(redisPid),
      node: [nodePid],
      computeHost: descendantsOf(nodePid),
    }),
  };
}
