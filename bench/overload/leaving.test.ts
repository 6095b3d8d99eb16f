import { expect, test } from "vitest";
import { leavingOf } from "./leaving.ts";

const STEP_MS = 1_000;
const UNTIL_MS = 2_000;

interface Sent {
  readonly beganMs: number;
  readonly side: "storage" | "compute" | null;
  readonly ok: boolean;
  /** 0: of the function that leaves. */
  readonly part?: number;
}

/** Calls that took so long each. */
const callsOf = (sent: readonly Sent[], tookMs = 10) => ({
  endMs: Float64Array.from(sent, ({ beganMs }) => beganMs + tookMs),
  elapsedUs: Float64Array.from(sent, () => 1e3 * tookMs),
  part: Uint8Array.from(sent, ({ part = 0 }) => part),
  atStorage: Uint8Array.from(sent, ({ side }) => (side === "storage" ? 1 : 0)),
  ok: Uint8Array.from(sent, ({ ok }) => (ok ? 1 : 0)),
});

/** A call each ms, of ten as many at storage as that moment has. */
const sentBy = (tenthsAt: (ms: number) => number): readonly Sent[] =>
  Array.from({ length: UNTIL_MS }, (_, ms) => ({
    beganMs: ms,
    side: ms % 10 < tenthsAt(ms) ? "storage" : "compute",
    ok: true,
  }));

const left = (tenthsAt: (ms: number) => number) => leavingOf(callsOf(sentBy(tenthsAt)), STEP_MS, UNTIL_MS);

test("a load has left when a tenth fewer of a window's calls are at storage, by the window's end", () => {
  // Of the window of 50 ms that ends then a fifth is after the move, and half of that at compute.
  expect(left((ms) => (ms < 1_200 ? 10 : 5))).toEqual({ seconds: 0.21, shareBefore: 1, failed: 0 });
  expect(left((ms) => (ms < 1_000 ? 10 : 0)).seconds).toBe(0.05);
});

test("where it stays, or falls by less, it takes all the time there is", () => {
  expect(left(() => 10).seconds).toBe(1);
  const fewer = sentBy(() => 10).map((one): Sent =>
    one.beganMs >= STEP_MS && one.beganMs % 20 === 0 ? { ...one, side: "compute" } : one,
  );
  expect(leavingOf(callsOf(fewer), STEP_MS, UNTIL_MS).seconds).toBe(1);
});

test("a load that was not at storage, or was split before, has not left it", () => {
  expect(left((ms) => (ms < 1_000 ? 4 : 0))).toMatchObject({ seconds: 1, shareBefore: 0.4 });
  expect(left((ms) => (ms < 1_000 ? 8 : 4))).toMatchObject({ seconds: 1, shareBefore: 0.8 });
  expect(left((ms) => (ms < 1_000 ? 9 : 8))).toMatchObject({ seconds: 0.05, shareBefore: 0.9 });
});

test("calls that no side has run are no calls at compute, and those that failed until it left are counted", () => {
  const sent = sentBy((ms) => (ms < 1_500 ? 10 : 0)).map((one): Sent =>
    one.beganMs >= 1_100 && one.beganMs % 2 === 0 ? { ...one, side: null, ok: false } : one,
  );
  // Of the 25 calls that are left of that window five are at compute.
  expect(leavingOf(callsOf(sent), STEP_MS, UNTIL_MS)).toEqual({ seconds: 0.51, shareBefore: 1, failed: 200 });
});

test("a window of a few calls says nothing", () => {
  const sent = sentBy(() => 10).filter(({ beganMs }) => beganMs < 1_000 || beganMs >= 1_300);
  const few: readonly Sent[] = [1_100, 1_101, 1_102].map((beganMs) => ({ beganMs, side: "compute", ok: true }));
  expect(leavingOf(callsOf([...sent, ...few]), STEP_MS, UNTIL_MS).seconds).toBe(1);
});

test("a call counts from its beginning, however late it ends", () => {
  const slow = callsOf(
    sentBy((ms) => (ms < 1_200 ? 10 : 5)),
    700,
  );
  expect(leavingOf(slow, STEP_MS, UNTIL_MS).seconds).toBe(0.21);
});

test("calls of others are none of its", () => {
  const sent = sentBy((ms) => (ms < 1_200 ? 10 : 5));
  const others = [
    ...sentBy(() => 0).map((one): Sent => ({ ...one, part: 1 })),
    ...sentBy(() => 10).map((one): Sent => ({ ...one, ok: false, part: 2 })),
  ];
  expect(leavingOf(callsOf([...others, ...sent]), STEP_MS, UNTIL_MS)).toEqual({
    seconds: 0.21,
    shareBefore: 1,
    failed: 0,
  });
});
