// The calls of a soak: what is written down of them, and that nothing of theirs is left when they are given up.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import type { ScheduledCall } from "./call-schedule.ts";
import { Ledger } from "./ledger.ts";
import { Workload } from "./workload.ts";

let silent: Server;
let redis: RedisServer;
let ledger: Ledger;
let workload: Workload;

beforeEach(async () => {
  redis = await startRedisServer({ moduleArguments: null });
  // Answers nothing.
  silent = createServer(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  ledger = new Ledger();
  workload = new Workload({ url: () => `http://127.0.0.1:${port}`, socketPath: () => redis.path }, ledger);
});

afterEach(async () => {
  process.kill(redis.pid(), "SIGCONT");
  await workload.close();
  silent.close();
  await redis.close();
});

const scheduled = (way: ScheduledCall["way"], leavesAfterMs: number | null = null): ScheduledCall => ({
  function: "soak-read",
  args: { id: way, ms: 0, first: 0 },
  way,
  target: way === "call" ? "master" : "node1",
  atMs: 0,
  deadlineMs: null,
  leavesAfterMs,
});

const connections = (): Promise<number> =>
  new Promise((resolve, reject) =>
    silent.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );

it("hangs up on all when it is closed, and takes what has no answer then for no answer", async () => {
  // An answer, so that its connection is there; the next call finds Redis silent.
  workload.send([scheduled("call")]);
  await expect.poll(() => ledger.unanswered).toEqual([]);
  process.kill(redis.pid(), "SIGSTOP");
  workload.send([scheduled("call")]);
  workload.send([scheduled("http compute")]);
  workload.send([scheduled("batch storage"), scheduled("batch storage")]);
  await expect.poll(connections).toBe(2);
  await workload.close();
  await expect.poll(connections).toBe(0);
  process.kill(redis.pid(), "SIGCONT");
  await expect.poll(async () => String(await redis.client().client("LIST")).includes("name=locus-soak")).toBe(false);
  expect(ledger.calls.map(({ answers }) => answers.length)).toEqual([1, 0, 0, 0, 0]);
});

it("writes down who left, and who lost the connection", async () => {
  workload.send([scheduled("http compute", 1)]);
  workload.send([scheduled("batch compute"), scheduled("batch compute")]);
  await expect.poll(() => ledger.calls[0]?.leftMs).not.toBe(null);
  await expect.poll(connections).toBe(1);
  silent.closeAllConnections();
  await expect.poll(() => ledger.unanswered).toEqual([]);
  expect(ledger.calls.map(({ answers }) => answers.map(({ answer }) => answer.kind))).toEqual([[], ["lost"], ["lost"]]);
});
