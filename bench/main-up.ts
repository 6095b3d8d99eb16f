// `./build.sh up`: an embedded stack in the foreground, with a graph and the functions that come with locus, until Ctrl-C.

import { globSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { endingText, ProgramFailure } from "#test/owned-process.ts";
import { inForeground } from "./foreground.ts";
import { openStack, type Stack } from "./stack.ts";

/** The gateway's own default, where it is free. */
const HTTP_PORT = 8080;
const REPOSITORY = join(import.meta.dirname, "..");

console.log("Starting Redis with the locus module, and a node …");
await inForeground(async (resources, signal) => {
  const httpPort = (await isFree(HTTP_PORT)) ? HTTP_PORT : 0;
  await up(await openStack({ httpPort, signal }, resources));
});

async function up(stack: Stack): Promise<void> {
  process.stdout.write(await stack.run("locus", "load", "wordnet"));
  const samples = globSync("functions/*.ts", { cwd: REPOSITORY }).filter((file) => !file.endsWith(".test.ts"));
  process.stdout.write(await stack.run("locus", "deploy", ...samples.toSorted()));
  console.log(welcome(stack));
  await Promise.race([stack.ended, redisEnded(stack)]);
}

/** Rejects when it does: nobody here ends it before the stack is closed, which is not waited for. */
async function redisEnded({ redis }: Stack): Promise<never> {
  const how = await redis.ended();
  throw new ProgramFailure(`Redis ended by itself, ${endingText(how)}. The end of its log:\n${redis.logTail()}`);
}

function welcome({ redis, url, settings, nodeLogPath }: Stack): string {
  const exports = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `
Up: Redis on port ${redis.port}, the node at ${url}. In another shell:

  cd ${REPOSITORY}
  export PATH="$PWD/node_modules/.bin:$PATH" ${exports.join(" ")}
  batch khop 1 1000
  redisclient khop 1 1000
  locus call khop '{"nodeId":"7"}' --side storage
  redis-cli -p ${redis.port} LOCUS.CALL khop 1 7 '{"nodeId":"7"}'

Logs: ${nodeLogPath}, ${join(redis.directory, "redis.log")}

Data, functions and logs are thrown away when it stops, and the next Redis has another port.
Ctrl-C stops everything.`;
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  probe.once("error", () => resolve(false));
  probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  return promise;
}
