// Everything that crosses a boundary has a size that it may not pass; at each bound a typed error, and the next call works.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ARGS_BYTES_MAX, RESULT_BYTES_MAX } from "#runtime/function/description.ts";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type Deployed, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("sizes on %s", (name) => {
  let side: TestSide;
  let echo: Deployed;
  beforeAll(async () => {
    side = await startSide(name);
    echo = await side.deploy(bundleOf(({ args }) => args, { limits: { memoryMb: 256 } }));
  });
  afterAll(() => side.close());

  it("args come whole up to their bound, and are refused beyond it", async () => {
    const largest = JSON.stringify("x".repeat(ARGS_BYTES_MAX - 2));
    expect(await echo.result({ argsJson: largest })).toHaveLength(ARGS_BYTES_MAX - 2);
    const larger = await echo.outcome({ argsJson: JSON.stringify("x".repeat(ARGS_BYTES_MAX)) }).then(
      (outcome) => errorOf(outcome).code,
      (error: Error) => error.message,
    );
    expect(larger).toMatch(/ARGS_?TOO_?LARGE/);
    expect(await echo.result({ args: "next" })).toBe("next");
  });

  it("args may be deep, and results as deep as JSON's own writer goes", async () => {
    const deep = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const count = await side.deploy(
      bundleOf(({ args }) => {
        let levels = 0;
        for (let at: unknown = args; Array.isArray(at); at = at[0]) levels++;
        return levels;
      }),
    );
    expect(await count.result({ argsJson: deep(1_000) })).toBe(1_000);
    const veryDeep = await count.outcome({ argsJson: deep(400_000) });
    expect(veryDeep.ok ? veryDeep.resultJson : veryDeep.error.code).toMatch(/^(400000|ARGS_INVALID)$/);
    const endless = await side.deploy(
      bundleOf(() => {
        let nested: unknown = 1;
        for (let i = 0; i < 1_000_000; i++) nested = [nested];
        return nested;
      }),
    );
    expect(errorOf(await endless.outcome()).code).toBe("RESULT_INVALID");
    expect(await echo.result({ args: "next" })).toBe("next");
  });

  it("a result may be as large as its bound, not larger, and half a gigabyte is no exception", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(({ args }) => "r".repeat(args), {
        limits: { memoryMb: 1024 },
      }),
    );
    expect(await result({ args: RESULT_BYTES_MAX - 2 })).toHaveLength(RESULT_BYTES_MAX - 2);
    expect(errorOf(await outcome({ args: RESULT_BYTES_MAX })).code).toBe("RESULT_TOO_LARGE");
    expect(["RESULT_TOO_LARGE", "RESULT_INVALID", "MEMORY_LIMIT"]).toContain(
      errorOf(await outcome({ args: 5e8 })).code,
    );
    expect(await result({ args: 1 })).toBe("r");
  });

  it("a turn may issue more operations than a round holds: they leave in several", async () => {
    const { outcome } = await side.deploy(
      bundleOf(
        async ({ redis }) => {
          const replies = await Promise.all(Array.from({ length: 100_000 }, () => redis.get("k")));
          return replies.length;
        },
        { limits: { memoryMb: 512 } },
      ),
    );
    const many = await outcome();
    expect(many.ok ? many.resultJson : many.error).toBe("100000");
    expect(many.usage).toMatchObject({ operations: 100_000, rounds: 2 });
  });

  it("an operation may not be larger than half a round", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(async ({ redis, args }) => redis.set("sized", "s".repeat(args)), { limits: { memoryMb: 256 } }),
    );
    expect(await result({ args: 4 * 1024 * 1024 })).toBe("OK");
    expect(errorOf(await outcome({ args: 9 * 1024 * 1024 })).code).toBe("OPERATIONS_LIMIT");
    expect(await result({ args: 1 })).toBe("OK");
  });

  describe.skipIf(name === "memory")("replies of more than 64 MiB", () => {
    const LARGE = 70 * 1024 * 1024;
    beforeAll(async () => {
      const redis = side.redis!;
      await redis.setrange("large", LARGE, "x");
      await redis.setrange("parts:0", LARGE / 10, "x");
      const all =
        "for i = 1, 9 do redis.call('COPY', 'parts:0', 'parts:' .. i) end for i = 1, 10 do redis.call('RPUSH', 'nested', string.rep('n', 7e6)) end for i = 1, 900000 do redis.call('RPUSH', 'many', 'ninety bytes and some more, so that all of them together are more than a reply may have') end";
      await redis.eval(all, 0);
      await redis.set("small", "small");
    });
    afterAll(() => side.redis!.flushall());

    it.each([
      ["one text", ["get", "large"]],
      ["an array of texts", ["mget", ...Array.from({ length: 10 }, (_, i) => `parts:${i}`)]],
      ["a list of texts", ["lrange", "nested", "0", "-1"]],
      ["a long list", ["lrange", "many", "0", "-1"]],
    ])("fail their operation alone: %s", async (_what, command) => {
      const { result } = await side.deploy(
        bundleOf<[string, ...string[]]>(
          async ({ redis, args }) => {
            const small = (): Promise<string | null> => redis.get("small");
            const failing = (): Promise<unknown> => redis.call(...args).catch((error: Error) => error.message);
            const [before, failed] = await Promise.all([small(), failing()]);
            return [before, failed, await small()];
          },
          { limits: { memoryMb: 512 } },
        ),
      );
      const neighbour = await side.deploy(
        bundleOf(async ({ redis }) => {
          for (let i = 0; i < 200; i++) await redis.get("small");
          return "undisturbed";
        }),
      );
      const neighbours = Array.from({ length: 8 }, () => neighbour.result());
      const limit = expect.stringMatching(/^OPERATIONSLIMIT the replies of this round have more than 67108864 bytes/);
      expect(await result({ args: command })).toEqual(["small", limit, "small"]);
      expect(await Promise.all(neighbours)).toEqual(neighbours.map(() => "undisturbed"));
    });

    it("count together within a round, and not beyond it", async () => {
      const { result } = await side.deploy(
        bundleOf(
          async ({ redis }) => {
            const length = async (key: string): Promise<number> => (await redis.getBuffer(key))!.length;
            const part = (key: number): Promise<number | string> => length(`parts:${key}`).catch(() => "too much");
            const together = await Promise.all(Array.from({ length: 10 }, (_, i) => part(i)));
            return [together, await part(9)];
          },
          { limits: { memoryMb: 512 } },
        ),
      );
      const whole = LARGE / 10 + 1;
      expect(await result()).toEqual([[...Array.from({ length: 9 }, () => whole), "too much"], whole]);
    });
  });

  it("text that is no Unicode arrives as its replacement, bytes as they are", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("lone", "a\ud800b");
        await redis.set(Uint8Array.of(0xff, 0x00, 0x0a), "odd key");
        const lone = await redis.getBuffer("lone");
        return [Array.from(lone!), await redis.get(Uint8Array.of(0xff, 0x00, 0x0a)), "c\udfffd"];
      }),
    );
    expect(await result()).toEqual([[0x61, 0xef, 0xbf, 0xbd, 0x62], "odd key", "c\udfffd"]);
  });
});
