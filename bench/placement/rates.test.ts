import { expect, test } from "vitest";
import { assertOnlyRefused, type Calls } from "./load.ts";
import { answeredPerSecond, cameOf } from "./rates.ts";

const callsOf = (endMs: readonly number[], isOk: (index: number) => boolean = () => true): Calls => ({
  endMs: Float64Array.from(endMs),
  elapsedUs: Float64Array.from(endMs, (_, index) => 100 * (index + 1)),
  part: new Uint8Array(endMs.length),
  number: Uint32Array.from(endMs.keys()),
  atStorage: Uint8Array.from(endMs, (_, index) => index % 2),
  isProbe: Uint8Array.from(endMs, (_, index) => (index === 2 ? 1 : 0)),
  ok: Uint8Array.from(endMs, (_, index) => (isOk(index) ? 1 : 0)),
  firstErrors: {},
});

const EVEN = [{ works: null }];

test("a rate is taken from the first end within the window to the last", () => {
  const calls = callsOf([5, 10, 30, 50, 70, 99]);
  expect(cameOf(calls, EVEN, 8, 80)).toMatchObject({
    perSecond: 50,
    p50Us: 300,
    p99Us: 500,
    storageShare: 0.5,
    probeShare: 0.25,
    failed: 0,
  });
});

test("calls that failed are counted as such, and not as done", () => {
  expect(
    cameOf(
      callsOf([10, 20, 30], (index) => index !== 1),
      EVEN,
      0,
      100,
    ),
  ).toMatchObject({ perSecond: 50, failed: 1 });
  expect(() =>
    cameOf(
      callsOf([10, 20], () => false),
      EVEN,
      0,
      100,
    ),
  ).toThrow("no call ended well");
});

test("where calls in the window were only refused, those outside it count", () => {
  expect(
    cameOf(
      callsOf([5, 20, 30, 90], (index) => index % 3 === 0),
      EVEN,
      10,
      50,
    ),
  ).toMatchObject({ failed: 2, p50Us: 100 });
});

test("only a full node may refuse calls, or have them wait for too long, and only those that nobody waits for", () => {
  const calls = (errors: Calls["firstErrors"]): Calls => ({
    ...callsOf([1, 2], (index) => index > 0),
    firstErrors: errors,
  });
  const full = { OVERLOADED: "OVERLOADED: 1024 calls are in this node already" };
  const open = { perSecond: 1 };
  const late = { DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED: 5000 ms" };
  expect(() => assertOnlyRefused("a", calls({ ...full, ...late }), open)).not.toThrow();
  expect(() => assertOnlyRefused("a", calls(late), { callers: 1 })).toThrow("DEADLINE_EXCEEDED: 5000 ms");
  expect(() => assertOnlyRefused("a", calls(full), { callers: 1 })).toThrow("a: 1 of 2 calls failed: OVERLOADED: 1024");
  expect(() => assertOnlyRefused("a", calls({ ...full, FUNCTION_NOT_FOUND: "FUNCTION_NOT_FOUND: f" }), open)).toThrow(
    "NOT_FOUND: f",
  );
});

test("where calls are longer than the window all of them count", () => {
  expect(cameOf(callsOf([150, 250]), EVEN, 20, 50).perSecond).toBe(10);
  expect(cameOf(callsOf([200]), EVEN, 20, 50).perSecond).toBe(5);
});

test("calls that differ are counted by their work", () => {
  const works = [0.5, 2, 0.5];
  const calls = callsOf([0, 10, 20, 30, 40]);
  // Of the numbers 1 to 4: 2, 0.5, and from the beginning again 0.5 and 2.
  expect(cameOf(calls, [{ works }], 0, 100).perSecond).toBe(125);
  expect(cameOf({ ...calls, part: Uint8Array.of(0, 1, 0, 1, 0) }, [{ works }, { works: null }], 0, 100).perSecond).toBe(
    112.5,
  );
});

test("of calls that come whatever becomes of others the rate is of all the time, also where all ended at once", () => {
  const calls = callsOf([100, 101, 102, 103, 600], (index) => index !== 3);
  expect(cameOf(calls, EVEN, 0, 500).perSecond).toBe(1_000);
  expect(answeredPerSecond(calls, EVEN, 0, 500)).toBe(6);
  expect(answeredPerSecond(calls, [{ works: [0.5, 2, 0.5] }], 100, 600)).toBe(6);
  // Where none did: four of them until the last.
  expect(answeredPerSecond(calls, EVEN, 200, 500)).toBeCloseTo(4 / 0.6);
});
