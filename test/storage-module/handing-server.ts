// A server that hands calls to a node, which the test plays: what it is asked, and what it says of itself. AddressSanitizer watches the module.

import type { Redis } from "ioredis";
import { beforeAll, expect } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { buildSanitized, SANITIZED_BUILD_TIMEOUT_MS } from "#test/sanitized-build.ts";
import { planScript, serversOfTests, until } from "./scripted-host.ts";

/** What a node says that a call has used. */
export const USAGE = JSON.stringify({ ...NO_USAGE, wallUs: 1_500.5, cpuUs: 3, operations: 2 });
/** As told by a node that knows nothing of reads that are found. */
export const OLDER_USAGE = JSON.stringify(JSON.parse(USAGE), (name, value: unknown) =>
  /^(?:findable|found)/.test(name) ? undefined : value,
);

/** Starts servers for a file whose every test has its own. `share`: of the calls of `script` that run here. */
export function handingServers(): (share?: number, ...moduleArguments: readonly string[]) => Promise<RedisServer> {
  beforeAll(() => {
    buildSanitized("address", ["locus.so"]);
  }, SANITIZED_BUILD_TIMEOUT_MS);
  const startServer = serversOfTests();
  return async (share = 0, ...moduleArguments) => {
    // What a test wants to wait waits for as long as it takes.
    const patience = ["take-patience-ms", "60000"];
    const server = await startServer({ sanitizer: "address", moduleArguments: [...patience, ...moduleArguments] });
    await planScript(server.client(), share);
    return server;
  };
}

export const call = (client: Redis, ...args: readonly string[]): Promise<string> =>
  client.call("LOCUS.CALL", "script", ...(args.length === 0 ? ["0"] : args)).then(String, String);

export const info = async (client: Redis, name: string): Promise<string | undefined> =>
  (await readInfo(client)).get(name);

export const expectInfo = async (client: Redis, expected: Readonly<Record<string, string>>): Promise<void> =>
  expect(Object.fromEntries(await readInfo(client))).toMatchObject(expected);

/** Until so many calls wait for a node to take them. */
export const waiting = (client: Redis, count: number): Promise<void> =>
  until(async () => (await info(client, "calls_handed_waiting")) === String(count));
