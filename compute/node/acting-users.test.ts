// What a node asks for users whom it may not take on. With a real Redis, and for those whom it may: test/compute/acting.test.ts.

import { afterEach, expect, it, vi } from "vitest";

import { ActingUsers } from "./acting-users.ts";
import { startScriptedRedis, type ScriptedRedis } from "./scripted-redis.ts";

let redis: ScriptedRedis;
let acting: ActingUsers;
afterEach(async () => {
  await acting.close();
  await redis.close();
});

/** For one user at a time. */
const actingOver = (
  { address, user }: ScriptedRedis,
  more: Pick<ConstructorParameters<typeof ActingUsers>[0], "idleMs" | "log">,
): ActingUsers =>
  new ActingUsers({
    address,
    nodeUser: user,
    connections: 1,
    sandbox: { isolatesMax: 1, queueLengthMax: 1, onLog: () => {} },
    usersMax: 1,
    ...more,
  });

it("does not ask again for a user whom it was refused, and tells each reason once", async () => {
  const asked: string[] = [];
  const log = { info: vi.fn<() => void>(), warn: vi.fn<() => void>() };
  redis = await startScriptedRedis((words) => {
    if (words[1] !== "ACT") return "OK";
    asked.push(words[2] ?? "");
    return new Error("NOPERM no right to act");
  });
  acting = actingOver(redis, { idleMs: 1_000, log });
  const want = (user: string, database = 0) => acting.want([{ user, database }], { id: "a", secret: "b" });
  const refusals = async (users: readonly string[]) => {
    await vi.waitFor(() => expect(asked).toEqual(users));
    await vi.waitFor(() => expect(redis.sockets.size).toBe(0));
  };
  want("ada");
  // Where there is no room nobody is asked.
  want("bob");
  await refusals(["ada"]);
  want("ada");
  want("bob");
  await refusals(["ada", "bob"]);
  want("ada", 1);
  await refusals(["ada", "bob", "ada"]);
  expect(log.warn).toHaveBeenCalledTimes(1);
  expect(acting.acting()).toEqual([]);
  expect(() => acting.supervisorFor({ user: "ada", database: 0 })).toThrow(/does not act for the user "ada"/);
});

it("never says that its hosts have used less than it has said, those that were left included", async () => {
  redis = await startScriptedRedis(() => "OK");
  acting = actingOver(redis, { idleMs: 60_000, log: { info: () => {}, warn: () => {} } });
  expect(acting.cpuUs()).toBe(0);
  acting.want([{ user: "ada", database: 0 }], { id: "a", secret: "b" });
  await vi.waitFor(() => expect(acting.acting()).toHaveLength(1));
  const usedUs = acting.cpuUs();
  expect(usedUs).toBeGreaterThan(0);
  acting.leaveAll();
  const leftUs = acting.cpuUs();
  expect(leftUs).toBeGreaterThanOrEqual(usedUs);
  await acting.close();
  expect(acting.cpuUs()).toBeGreaterThanOrEqual(leftUs);
});
