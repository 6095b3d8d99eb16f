// Invocations that are run again, because their host died through no fault of theirs.

import { expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { startScriptedServer, until } from "./scripted-host.ts";

test("what is left of a first run does not take the second one's operations along", async () => {
  const server = await startScriptedServer({ config: [["busy-reply-threshold", "10"]] });
  const redis = server.client();
  const asked = (): number => server.log().match(/sandbox-host: awaits go/g)?.length ?? 0;
  const call = server.client().call("LOCUS.CALL", "script", "0", '{"awaits":"go","result":"1"}');
  await until(async () => asked() === 1);
  const pid = Number(/pid=(\d+)/.exec((await readInfo(redis)).get("host0") ?? "")?.[1]);
  // Nothing is served while a script runs: the first run's round still waits when the second one's comes.
  const script = server.client().call("EVAL", "while true do end", "0").then(String, String);
  await until(async () => (await redis.ping().then(String, String)).includes("BUSY"));
  process.kill(pid, "SIGKILL");
  await until(async () => asked() === 2);
  await redis.call("SCRIPT", "KILL");
  expect(await script).toContain("killed");
  await redis.set("go", "1");
  expect(await call).toBe("1");
  expect((await readInfo(redis)).get("calls_run_again")).toBe("1");
  await server.close();
});
