// What the module does at some later time, while somebody sets the machine's wall clock: nothing of it comes an hour late, or early.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { readInfo } from "#test/module-info.ts";
import { buildPreload } from "#test/native-program.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { attach, PlayedNode } from "./played-node.ts";
import { planScript, startScriptedServer, until } from "./scripted-host.ts";

const HOUR = 3_600;

interface ClockedServer {
  readonly server: RedisServer;
  readonly client: Redis;
  /** Sets the server's wall clock to the machine's and so many seconds, and sees that it is. */
  readonly setClock: (offBy: number) => Promise<void>;
}

/** A server whose wall clock can be set; the plan wants all calls of `script` at compute. */
async function start(...moduleArguments: readonly string[]): Promise<ClockedServer> {
  const directory = mkdtempSync(join(tmpdir(), "locus-clock-"));
  const path = join(directory, "off-by");
  // Written in place: the server has it mapped.
  const file = openSync(path, "w+");
  const write = (offBy: number): void => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(offBy));
    writeSync(file, bytes, 0, bytes.length, 0);
  };
  write(0);
  onTestFinished(() => {
    closeSync(file);
    rmSync(directory, { recursive: true });
  });
  const environment = { LD_PRELOAD: buildPreload("wall_clock"), WALL_CLOCK_OFF_BY: path };
  const server = await startScriptedServer({ moduleArguments, environment });
  onTestFinished(() => server.close());
  const client = server.client();
  await planScript(client, 0);
  return {
    server,
    client,
    async setClock(offBy) {
      write(offBy);
      const [seconds] = await client.time();
      expect(Math.abs(Number(seconds) - Date.now() / 1_000 - offBy)).toBeLessThan(HOUR / 2);
    },
  };
}

const NOTHING = { calls: [], cancelled: [], wanted: [] };
const waiting = (client: Redis, count: number): Promise<void> =>
  until(async () => (await client.info("clients")).includes(`blocked_clients:${count}\r`));
const call = (client: Redis): Promise<string> => client.call("LOCUS.CALL", "script", "0", "[1]").then(String, String);

test("who waits for calls or samples is told when the time is over, though the clock is set back meanwhile", async () => {
  const { server, client, setClock } = await start();
  const node = await new PlayedNode(server).attach();
  const taken = node.take(1, 5_000);
  const samples = server.client().call("LOCUS.NODE", "SAMPLES", "5000");
  await waiting(client, 2);
  await setClock(-HOUR);
  expect(await taken).toEqual(NOTHING);
  expect(JSON.parse(String(await samples))).toMatchObject({ tallies: [] });
});

test("who waits long is not told early by a clock that is set forward, and who waits shortly not late", async () => {
  const { server, client, setClock } = await start();
  const node = await new PlayedNode(server).attach();
  const other = server.client();
  await attach(other, "node-1");
  const long = node.takeOne();
  await waiting(client, 1);
  await setClock(HOUR);
  expect(await other.call("LOCUS.NODE", "TAKE", "1", "20")).toEqual([[], [], []]);
  await waiting(client, 1);
  const replied = call(client);
  const [id] = await long;
  await node.give(id, "OK", JSON.stringify(NO_USAGE), "2");
  expect(await replied).toBe("2");
});

test("a call that its node does not take runs here in time, and one that it took ends at its deadline", async () => {
  const { server, client, setClock } = await start("take-patience-ms", "300");
  await client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "script in 3000 ms");
  const node = await new PlayedNode(server).attach();
  const untaken = call(server.client());
  await until(async () => (await readInfo(client)).get("calls_handed") === "1");
  await setClock(-HOUR);
  expect(await untaken).toBe("[1]");
  const taken = node.takeOne();
  await waiting(client, 1);
  const overdue = call(server.client());
  await taken;
  await setClock(-2 * HOUR);
  expect(await overdue).toMatch(
    /DEADLINE script did not end before its deadline, on the node node-1 \(limits\.deadlineMs: 3000 ms\)/,
  );
});
