// What functions and hosts say in Redis' own log, and that none of them can fill it.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";

import { startRedisServer } from "#test/redis-server.ts";
import { bundleOf } from "../sides.ts";

/** `kLogLinesPerSecond` in storage-module/src/log_lines.h. */
const LINES_PER_SECOND = 100;
const DAY_MS = 86_400_000;

test("a function's lines are there under its name, some each second, and the others are counted", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const client = server.client();
  const bundle = bundleOf<number>(({ args, log }) => {
    for (let i = 0; i < args; i++) log.info(`flood ${i}`.padEnd(100, "."));
    if (args === 0) log.warn("after\nthe flood");
  });
  const [name = ""] = (await client.call("LOCUS.FUNCTION", "LOAD", bundle)) as string[];
  const linesOf = async (count: number): Promise<readonly string[]> => {
    const run = ["RUN", name, "*", "0", '{"logs":true}', String(count)];
    const [, , , logs] = (await client.call("LOCUS.NODE", ...run)) as string[];
    return JSON.parse(logs ?? "") as string[];
  };
  const said = (await linesOf(2_000)).filter((line) => line.startsWith("flood"));
  expect(said.length).toBeGreaterThan(3 * LINES_PER_SECOND);

  /** With the time of day, in ms. */
  const written = (): readonly number[] =>
    [...server.log().matchAll(/(\d\d):(\d\d):(\d\d)\.(\d{3}) .*<locus> (\S+): flood \d+\.+$/gm)].flatMap(
      ([, hours, minutes, seconds, ms, source]) =>
        source === name ? [((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 + Number(ms)] : [],
    );
  const times = written();
  const tookMs = (times.at(-1)! - times[0]! + DAY_MS) % DAY_MS;
  expect(times.length).toBeGreaterThan(0);
  expect(times.length).toBeLessThanOrEqual((2 + Math.floor(tookMs / 1_000)) * LINES_PER_SECOND);

  // How many there were more is told with the first line of a later second.
  await sleep(1_100);
  await linesOf(0);
  const dropped = [...server.log().matchAll(/<locus> (\d+) more lines of functions were dropped$/gm)];
  expect(dropped.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(said.length - times.length);
  expect(server.log()).toMatch(new RegExp(`<locus> ${name}: warn: after the flood$`, "m"));
  expect(written()).toHaveLength(times.length);
});
