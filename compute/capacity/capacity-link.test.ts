import { afterEach, expect, test, vi } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { BeatAnswer, CapacityDesk } from "#scheduler/grpc/capacity-desk.ts";
import { CapacityLink } from "./capacity-link.ts";
import { LeaseBook } from "./lease-book.ts";

const SHAPE = { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 };
const ANSWER: BeatAnswer = { gone: [], revoked: [], isPressed: false, threads: null };
const NEVER = new AbortController().signal;

const NO_LEASE = { instances: [], waitMs: null };

/** A node whose beats the test answers, and that takes so long to look at its instances. `beats`: that are not answered yet. */
const setUp = (nowMs: () => number = () => performance.now(), lookMs = 0) => {
  const reasons: unknown[] = [];
  const beats: (PromiseWithResolvers<BeatAnswer> & { readonly isLeaving: boolean })[] = [];
  const waiters: (() => void)[] = [];
  const beaten = async () => {
    if (beats.length === 0) await new Promise<void>((resolve) => waiters.push(resolve));
    return beats.shift()!;
  };
  const desk: CapacityDesk = {
    beat: ({ isLeaving }, signal) => {
      const beat = Promise.withResolvers<BeatAnswer>();
      signal?.addEventListener("abort", () => beat.reject(new LocusError("CANCELLED", "given up")));
      beats.push({ ...beat, isLeaving });
      waiters.shift()?.();
      return beat.promise;
    },
    lease: async () => NO_LEASE,
    overview: () => Promise.reject(new Error("nobody asks")),
  };
  const book = new LeaseBook({
    hasIsolates: false,
    nodeId: "me",
    lease: (wanted, signal) => link.lease(wanted, signal),
    atMost: () => null,
    nowMs,
  });
  const link: CapacityLink = new CapacityLink({
    book,
    desk: () => desk,
    describe: () => ({
      nodeId: "me",
      address: "",
      port: 1,
      memoryMb: 1,
      availableMb: 1,
      cpus: 1,
      scaled: [],
      scaledVersion: 1,
    }),
    hosted: async () => {
      if (lookMs > 0) await new Promise((resolve) => setTimeout(resolve, lookMs));
      return [];
    },
    threads: null,
    log: { info: () => {}, warn: (told: unknown) => void reasons.push(told) },
    nowMs,
  });
  return { link, beats, beaten, reasons };
};

afterEach(() => void vi.useRealTimers());

test("a scheduler that did not answer the last beat is asked for no lease, until it answers one", async () => {
  const { link, beaten } = setUp();
  const wanted = { nodeId: "me", shape: SHAPE, count: 1, waiting: 1, isGrowth: false, held: { busy: 0, busyForMs: 0 } };
  (await beaten()).reject(new LocusError("DEADLINE_EXCEEDED", "it hangs"));
  const next = await beaten();
  await expect(link.lease(wanted, NEVER)).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  next.resolve(ANSWER);
  const last = await beaten();
  expect(await link.lease(wanted, NEVER)).toEqual(NO_LEASE);
  const left = link.leave();
  last.resolve(ANSWER);
  (await beaten()).resolve(ANSWER);
  await left;
});

test("a beat that does not wait for its time is not followed by another at once", async () => {
  vi.useFakeTimers();
  const { link, beats } = setUp();
  const beatsUntil = async (ms: number): Promise<number> => {
    await vi.advanceTimersByTimeAsync(ms);
    const beaten = beats.splice(0);
    for (const beat of beaten) beat.resolve(ANSWER);
    return beaten.length;
  };
  expect(await beatsUntil(1)).toBe(1);
  expect(await beatsUntil(498)).toBe(0);
  link.hurry();
  // By itself and by the hurry there would be two.
  expect(await beatsUntil(10)).toBe(1);
  expect(await beatsUntil(480)).toBe(0);
  expect(await beatsUntil(20)).toBe(1);
  const left = link.leave();
  await beatsUntil(1);
  await left;
});

test("a node that takes long to look at its instances beats as often", async () => {
  vi.useFakeTimers();
  const { link, beats } = setUp(undefined, 300);
  let beaten = 0;
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      await vi.advanceTimersByTimeAsync(50);
      for (const beat of beats.splice(0)) {
        beaten++;
        beat.resolve(ANSWER);
      }
    }
  };
  await pass(5_000);
  expect(beaten).toBeGreaterThanOrEqual(9);
  const left = link.leave();
  await pass(1_000);
  await left;
});

test("a node that has left says nothing more, whatever happens then", async () => {
  vi.useFakeTimers();
  const { link, beats, beaten } = setUp();
  await vi.advanceTimersByTimeAsync(0);
  const first = await beaten();
  first.resolve(ANSWER);
  await vi.advanceTimersByTimeAsync(1);
  // The next beat is waited for.
  const left = link.leave();
  const last = await beaten();
  expect([first.isLeaving, last.isLeaving]).toEqual([false, true]);
  link.hurry();
  last.resolve(ANSWER);
  await left;
  link.hurry();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(beats).toEqual([]);
});

test("a scheduler has a second to answer from when it is told, and the log says that it has not", async () => {
  vi.useFakeTimers();
  const begunMs = performance.now();
  const { link, beaten, reasons } = setUp(() => performance.now() - begunMs, 600);
  await vi.advanceTimersByTimeAsync(600);
  const first = await beaten();
  const wanted = { nodeId: "me", shape: SHAPE, count: 1, waiting: 1, isGrowth: false, held: { busy: 0, busyForMs: 0 } };
  await vi.advanceTimersByTimeAsync(999);
  first.resolve(ANSWER);
  await vi.advanceTimersByTimeAsync(1);
  expect(await link.lease(wanted, NEVER)).toEqual(NO_LEASE);
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(link.lease(wanted, NEVER)).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  expect(reasons).toEqual([{ reason: "the scheduler has not answered a beat within 1000 ms" }]);
  const left = link.leave();
  await vi.advanceTimersByTimeAsync(3_000);
  await left;
});
