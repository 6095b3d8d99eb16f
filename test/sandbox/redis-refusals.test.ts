// What Redis refuses for reasons of its own, a function is told in Redis' words, the same on both sides that have a Redis.

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES.filter((side) => side !== "memory"))("a Redis that refuses on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  it("for want of memory tells a function what it tells a client, and the function may go on", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args === "uncaught") return redis.set("more", "x");
        const refused = await redis.set("more", "x").catch((error: Error) => error.message);
        return [refused, await redis.exists("more")];
      }),
    );
    await side.redis!.config("SET", "maxmemory", "100kb");
    expect(await result({ args: "caught" })).toEqual([expect.stringMatching(/^OOM command not allowed/), 0]);
    const uncaught = errorOf(await outcome({ args: "uncaught" }));
    expect(uncaught).toMatchObject({ code: "FUNCTION_FAILED", message: expect.stringContaining("OOM command") });
    await side.redis!.config("SET", "maxmemory", "0");
    expect(await result({ args: "caught" })).toEqual(["OK", 1]);
  });
});
