// A network of some latency between a node and Redis, in userland: what the kernel has for it (netem) needs rights that are not
// everywhere.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { buildNativeProgram } from "#test/native-program.ts";

/** The port to reach Redis through. Ends with `resources`. */
export async function startDelayProxy(
  redisPort: number,
  roundTripUs: number,
  resources: AsyncDisposableStack,
): Promise<number> {
  const program = buildNativeProgram({ name: "delay_proxy", sources: [], libraries: [] });
  const child = spawn(program, [String(redisPort), String(roundTripUs / 2)], { stdio: ["ignore", "pipe", "inherit"] });
  resources.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = (await Promise.race([once(child.stdout, "data"), once(child, "exit")])) as [unknown];
  const port = Number(String(line));
  if (!Buffer.isBuffer(line) || !(port > 0)) throw new Error(`${program} did not come up: ${String(line)}`);
  return port;
}
