// What functions say in a node's own log, and that none of them can fill it. Redis' own: test/storage-module/log.test.ts.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { startRedisServer } from "#test/redis-server.ts";
import { bundleOf, deploy, logged } from "./node-client.ts";

/** `LINES_PER_SECOND` in runtime/bounded-lines.ts. */
const LINES_PER_SECOND = 100;
const JSON_BODY = { "content-type": "application/json" };

test.each(["compute", "storage"])(
  "a function's lines at %s are there under its name, some each second, and the others are counted",
  async (side) => {
    const redis = await startRedisServer();
    onTestFinished(() => redis.close());
    const node: NodeProcess = await startNodeOver(redis, (started) => onTestFinished(() => started.end("SIGTERM")));
    await deploy(
      node,
      bundleOf<number>("talking", ({ args, log }) => {
        for (let i = 0; i < args; i++) log.info(`flood ${i}`.padEnd(100, "."));
        if (args === 0) log.warn("after the flood");
      }),
    );
    const linesOf = async (count: number): Promise<readonly string[]> => {
      const url = `${node.url}/v1/functions/talking/invocations?side=${side}&logs=true`;
      const { logs } = (await (
        await fetch(url, { method: "POST", body: String(count), headers: JSON_BODY })
      ).json()) as {
        readonly logs: readonly string[];
      };
      return logs.filter((line) => line.includes("flood"));
    };
    const said = await linesOf(2_000);
    expect(said.length).toBeGreaterThan(3 * LINES_PER_SECOND);

    // The reply may overtake them. Here are all of them.
    const kept = async (): Promise<number> =>
      (await (await fetch(`${node.url}/v1/logs?source=talking`)).text()).split("\n").length - 1;
    await expect.poll(kept).toBeGreaterThanOrEqual(said.length);
    const written = () => logged(node).filter(({ source, msg }) => source === "talking" && /^flood \d+\.+$/.test(msg));
    const times = written().map(({ time }) => Number(time));
    expect(times.length).toBeGreaterThan(0);
    expect(times.length).toBeLessThanOrEqual((2 + Math.floor((times.at(-1)! - times[0]!) / 1_000)) * LINES_PER_SECOND);

    // How many there were more is told with the first line of a later second.
    await sleep(1_100);
    expect(await linesOf(0)).toHaveLength(1);
    await expect
      .poll(() => logged(node))
      .toContainEqual(expect.objectContaining({ source: "talking", side, level: 40, msg: "after the flood" }));
    const dropped = logged(node).flatMap(
      ({ msg }) => /^(\d+) more lines of functions were dropped$/.exec(msg)?.[1] ?? [],
    );
    expect(dropped.reduce((sum, count) => sum + Number(count), 0)).toBe((await kept()) - 1 - times.length);
    expect(written()).toHaveLength(times.length);
  },
);
