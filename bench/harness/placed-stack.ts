// The embedded stack with functions deployed, each part on its own cores: what benchmarks of functions run against.

import { startStack, type Stack } from "../stack.ts";
import { pin, type Layout } from "./cores.ts";
import { childrenOf, cpuUsOf, descendantsOf } from "./processes.ts";

/** The parts of a stack whose CPU time is told apart: `node` includes the node's own sandbox host. */
export type StackPart = "redis" | "host" | "node";

export interface PlacedStack extends Stack {
  /** CPU time so far of each part, µs. */
  cpuUs(): Readonly<Record<StackPart, number>>;
}

/** `functions`: files. Ends with `resources`. From here on this process, and what it starts, is where the load belongs. */
export async function startPlacedStack(
  functions: readonly string[],
  { pinned, cores }: Layout,
  resources: AsyncDisposableStack,
): Promise<PlacedStack> {
  // Both sides count the cores when they start, and find two: those of the storage side.
  if (pinned) pin(process.pid, [...new Set([...cores.redis, ...cores.host])]);
  const stack = await startStack({ httpPort: 0 });
  resources.defer(() => stack.close());
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
  const cpuUs = (): Record<StackPart, number> => ({
    redis: cpuUsOf([redisPid]),
    host: cpuUsOf(descendantsOf(redisPid)),
    node: cpuUsOf([nodePid, ...descendantsOf(nodePid)]),
  });
  return { ...stack, cpuUs };
}
