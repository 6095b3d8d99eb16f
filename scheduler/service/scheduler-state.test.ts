import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { type SavedState, SchedulerState, STATE_BYTES_MAX, type StateStore } from "./scheduler-state.ts";

const SAVED: SavedState = { policy: "forecast", common: null, functions: { khop: { policy: 1, need: [1] } } };
const NEVER = new Promise<void>(() => {});

class Memory implements StateStore {
  text: string | null;
  writes = 0;
  /** What a write waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor(text: string | null = null) {
    this.text = text;
  }

  async read(): Promise<string | null> {
    return this.text;
  }

  async write(text: string): Promise<void> {
    this.writes++;
    await this.gate;
    this.text = text;
  }
}

const told: string[] = [];
const open = (store: StateStore | null): Promise<SchedulerState> =>
  SchedulerState.open(store, (text) => told.push(text));
const asIs = (saved: SavedState | null): SavedState | null => saved;

describe("what a scheduler has learned", () => {
  beforeEach(() => {
    told.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  test("is kept every few seconds and once more at the end, and is there for the next", async () => {
    const store = new Memory();
    const state = await open(store);
    expect(state.restored(asIs)).toBeNull();
    let samples = 0;
    state.keep(() => ({ ...SAVED, common: ++samples }));
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await open(store)).restored(asIs)).toEqual({ ...SAVED, common: 1 });
    await state.close();
    await state.close();
    expect((await open(store)).restored(asIs)).toEqual({ ...SAVED, common: 2 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect([store.writes, told]).toEqual([2, []]);
  });

  test.each([
    ["no JSON", "{"],
    ["JSON of something else", '{"policy":"forecast"}'],
    ["null", "null"],
    ["longer than it may be", JSON.stringify({ ...SAVED, common: "x".repeat(STATE_BYTES_MAX) })],
  ])("is told and learned again where it is %s", async (_title, text) => {
    const state = await open(new Memory(text));
    expect(state.restored(asIs)).toBeNull();
    expect(told).toEqual([expect.stringContaining("cannot be read, and is learned again")]);
  });

  test("is kept soon where it is asked for, once for all who ask, and as it is by then", async () => {
    const store = new Memory();
    const state = await open(store);
    state.keepSoon();
    let world = 0;
    state.keep(() => ({ ...SAVED, world }));
    for (; world < 3; world++) state.keepSoon();
    await vi.advanceTimersByTimeAsync(1_000);
    expect([store.writes, (await open(store)).restored(asIs)]).toEqual([1, { ...SAVED, world: 3 }]);
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    state.keepSoon();
    await vi.advanceTimersByTimeAsync(200);
    world = 4;
    state.keepSoon();
    await vi.advanceTimersByTimeAsync(200);
    expect(store.writes).toBe(2);
    gate.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect([store.writes, (await open(store)).restored(asIs)]).toEqual([3, { ...SAVED, world: 4 }]);
    state.keepSoon();
    await state.close();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.writes).toBe(4);
  });

  test("is told and learned again where nobody can make anything of it", async () => {
    const state = await open(new Memory(JSON.stringify(SAVED)));
    const made = state.restored((saved) => {
      if (saved !== null) throw new Error("of another release");
      return "new";
    });
    expect([made, told]).toEqual(["new", [expect.stringContaining("of another release")]]);
    // What fails of itself is no fault of what was saved.
    const failing = (): never => {
      throw new Error("a defect");
    };
    expect(() => state.restored(failing)).toThrow("a defect");
  });

  test("is told once where it cannot be kept, and again when that is otherwise", async () => {
    const store = new Memory();
    store.write = () => Promise.reject(new Error("no room"));
    const state = await open(store);
    let common = "";
    state.keep(() => ({ ...SAVED, common }));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(told).toEqual([expect.stringContaining("no room")]);
    common = "x".repeat(STATE_BYTES_MAX);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual([expect.anything(), expect.stringContaining(`${STATE_BYTES_MAX} are allowed`)]);
    await state.close();
  });

  test("is kept as far as there is room, without the functions that are last, which is told once", async () => {
    const store = new Memory();
    const state = await open(store);
    const each = { policy: "ä".repeat(500_000), need: [1] };
    const functions = Object.fromEntries(["f", "g", "h", "i", "j", "k"].map((key) => [key, each]));
    const world = { nodes: ["n"] };
    let saved: SavedState = { ...SAVED, functions, world };
    state.keep(() => saved);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(told).toEqual([expect.stringContaining("called the longest ago")]);
    expect(Buffer.byteLength(store.text ?? "")).toBeLessThanOrEqual(STATE_BYTES_MAX);
    const kept = (await open(store)).restored(asIs);
    expect(Object.keys(kept?.functions ?? {})).toEqual(["f", "g", "h", "i"]);
    expect(kept?.world).toEqual(world);
    saved = { ...SAVED, world };
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await open(store)).restored(asIs)).toEqual(saved);
    expect(told).toHaveLength(1);
    await state.close();
  });

  test("is written once at a time, and not waited for without end", async () => {
    const store = new Memory();
    store.gate = NEVER;
    const state = await open(store);
    state.keep(() => SAVED);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(store.writes).toBe(1);
    const closed = state.close();
    await vi.advanceTimersByTimeAsync(500);
    await closed;
    expect(store.text).toBeNull();
  });

  test("is kept nowhere where there is no place for it", async () => {
    const state = await open(null);
    const save = vi.fn(() => SAVED);
    state.keep(save);
    await vi.advanceTimersByTimeAsync(10_000);
    await state.close();
    expect(save).not.toHaveBeenCalled();
  });
});
