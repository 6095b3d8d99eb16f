// The all-in-one image's program: Redis with the module and a node, in one container. SIGTERM and SIGINT stop the node,
// which lets calls end, and then Redis, which saves; if either ends by itself, so does the container.

import { join } from "node:path";
import { runTogether } from "./together.ts";

const ROOT = join(import.meta.dirname, "..");
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.abort());

process.exitCode = await runTogether(
  [
    { name: "Redis", argv: ["redis-server", join(ROOT, "deploy", "redis.conf")] },
    { name: "the node", argv: [process.execPath, join(ROOT, "compute", "cli", "main-locus.ts"), "node"] },
  ],
  stop.signal,
);
