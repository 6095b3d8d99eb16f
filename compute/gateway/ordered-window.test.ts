import { setImmediate } from "node:timers/promises";

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { OrderedWindow } from "./ordered-window.ts";

const SIZE_MAX = 4;

/** An output that can be told to be full, and promises that end when they are told to. */
const setUp = () => {
  const written: string[] = [];
  const output = { full: false, write: (text: string) => (written.push(text), !output.full) };
  const window = new OrderedWindow(output, SIZE_MAX);
  const start = (text: string) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    window.add(promise);
    return () => resolve(text);
  };
  return { written, output, window, start };
};

describe("OrderedWindow", () => {
  it("writes in the order of starting, whatever the order of finishing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3], { minLength: SIZE_MAX }), async (order) => {
        const { written, window, start } = setUp();
        const finish = ["a", "b", "c", "d"].map(start);
        for (const index of order) {
          finish[index]?.();
          await setImmediate();
        }
        await window.empty();
        expect(written.join("")).toBe("abcd");
      }),
    );
  });

  it("writes what finishes in one turn at once", async () => {
    const { written, window, start } = setUp();
    const finish = ["a", "b", "c"].map(start);
    finish.forEach((end) => end());
    await window.empty();
    expect(written).toEqual(["abc"]);
  });

  it("has room again only when its first is written", async () => {
    const { window, start } = setUp();
    const finish = ["a", "b", "c", "d"].map(start);
    let room = false;
    void window.room().then(() => (room = true));
    finish[1]?.();
    await setImmediate();
    expect(room).toBe(false);
    finish[0]?.();
    await setImmediate();
    expect(room).toBe(true);
    expect(window.size).toBe(2);
  });

  it("writes nothing more while its reader is slow, and goes on when it is not", async () => {
    const { written, output, window, start } = setUp();
    output.full = true;
    const finish = ["a", "b"].map(start);
    finish[0]?.();
    await setImmediate();
    finish[1]?.();
    await setImmediate();
    expect(written).toEqual(["a"]);
    output.full = false;
    window.drained();
    expect(written).toEqual(["a", "b"]);
  });

  it("lets whoever waits go when it is closed, and writes no more", async () => {
    const { written, window, start } = setUp();
    const finish = ["a", "b", "c", "d"].map(start);
    const waiting = window.room();
    window.close();
    await waiting;
    await window.empty();
    finish.forEach((end) => end());
    await setImmediate();
    expect(written).toEqual([]);
  });
});
