// The module's threads under ThreadSanitizer, in a Redis that does everything at once: calls, cancels, hosts that die, hosts
// that are switched off and on. What it finds is told when the server is closed.

import type { Redis } from "ioredis";
import { expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { WATCHED } from "#test/sanitized-build.ts";
import { type Script, startScriptedServer, until } from "./scripted-host.ts";

const CALLERS = 6;

/** What callers do in turn. */
const SCRIPTS: readonly Script[] = [
  {
    rounds: [
      [
        ["SET", "a", "1"],
        ["GET", "a"],
      ],
    ],
    repeat: 20,
  },
  { rounds: [[["INCR", "n"]], [["GET", "n"]], [["LRANGE", "list", "0", "-1"]]], together: true },
  { rounds: [[["GET", "large"]]] },
  { rounds: [[["PING"]]], repeat: 500 },
  { rounds: [[["FLUSHALL"], ["GET", "locus:x"]]] },
];
/** What costs a host its life: few of them, since one that dies again and again is started ever more slowly. */
const DEATHS: readonly Script[] = [{ raw: [{ kind: 99 }] }, { exit: 1 }, { raw: [{ ring: "outcomes", hex: "00" }] }];

/** "ok", or the code of the error. */
const call = async (client: Redis, id: string, script: Script): Promise<string> => {
  const options = JSON.stringify({ deadlineMs: 10_000, logs: true, id });
  try {
    const reply = await client.call("LOCUS.NODE", "RUN", "script", "*", "0", options, JSON.stringify(script));
    const [outcome = "", , , , body = ""] = reply as string[];
    return outcome === "ok" ? outcome : (JSON.parse(body) as { readonly code: string }).code;
  } catch (error) {
    return (error as Error).message;
  }
};

test("threads of the module share nothing without a lock", WATCHED, async () => {
  const server = await startScriptedServer({ sanitizer: "thread" });
  const redis = server.client();
  await redis.set("large", Buffer.alloc(400 * 1024, "x"));
  await redis.rpush("list", ...Array.from({ length: 100 }, String));

  const over = new AbortController();
  const outcomes = new Set<string>();
  const caller = async (index: number): Promise<void> => {
    const client = server.client();
    for (let turn = 0; !over.signal.aborted; turn += 1) {
      const id = `${index}-${turn}`;
      const called = call(client, id, SCRIPTS[(index + turn) % SCRIPTS.length] ?? {});
      if (turn % 3 === 0) await redis.call("LOCUS.NODE", "CANCEL", id);
      outcomes.add(await called);
    }
  };
  const meddler = async (): Promise<void> => {
    for (const [index, script] of DEATHS.entries()) {
      outcomes.add(await call(server.client(), `death-${index}`, script));
      await redis.call("LOCUS.CONFIG", "SET", "enabled", "no");
      await redis.call("LOCUS.FUNCTION", "STATS");
      await redis.call("LOCUS.FUNCTION", "ISOLATES", "50", "script", "1");
      await redis.info();
      await redis.call("LOCUS.CONFIG", "SET", "enabled", "yes");
      await redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", `script ${index}`);
    }
    over.abort();
  };
  await Promise.all([...Array.from({ length: CALLERS }, (_, index) => caller(index)), meddler()]);
  await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
  expect([...outcomes]).toEqual(expect.arrayContaining(["ok", "SANDBOX_DIED"]));
  // Hosts are ended while Redis ends.
  await redis.call("LOCUS.CONFIG", "SET", "enabled", "no");
  await server.close();
});
