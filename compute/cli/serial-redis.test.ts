import { setImmediate } from "node:timers/promises";

import type { Redis } from "ioredis";
import { describe, expect, it } from "vitest";

import { serialRedis } from "./serial-redis.ts";

/** Answers when it is told to, and notes what it was sent. */
const setUp = () => {
  const sent: string[] = [];
  const answers: ((value: string | Error) => void)[] = [];
  const get = (key: string) => {
    sent.push(key);
    return new Promise((resolve, reject) => {
      answers.push((value) => (value instanceof Error ? reject(value) : resolve(value)));
    });
  };
  const client = { status: "ready", get } as unknown as Redis;
  return { sent, answers, ...serialRedis(client) };
};

describe("serialRedis", () => {
  it("sends each command only when the one before has answered", async () => {
    const { sent, answers, redis, commands } = setUp();
    const all = Promise.all(["a", "b", "c"].map((key) => redis.get(key)));
    for (const expected of [["a"], ["a", "b"], ["a", "b", "c"]]) {
      await setImmediate();
      expect(sent).toEqual(expected);
      answers.at(-1)?.(`value of ${expected.at(-1)}`);
    }
    expect(await all).toEqual(["value of a", "value of b", "value of c"]);
    expect(commands()).toBe(3);
  });

  it("goes on after a command that failed", async () => {
    const { answers, redis } = setUp();
    const [first, second] = [redis.get("a"), redis.get("b")];
    await setImmediate();
    answers[0]?.(new Error("WRONGTYPE"));
    await expect(first).rejects.toThrow("WRONGTYPE");
    await setImmediate();
    answers[1]?.("fine");
    expect(await second).toBe("fine");
  });

  it("leaves what is no command as it is", () => {
    expect(setUp().redis.status).toBe("ready");
  });
});
