import { setImmediate } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { NO_PLAN, planVersion, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import { FollowedPlan } from "./followed-plan.ts";

const at = (share: number): Placement => ({
  state: share > 0 ? "storage" : "compute",
  share,
  probeEvery: 0,
  backCpuUs: 0,
  overflowMin: 0,
  overflowTimes: 0,
});
const planOf = (version: number, shares: Record<string, number>): Plan => ({
  version,
  placements: new Map(Object.entries(shares).map(([name, share]) => [name, at(share)])),
});
const change = (version: number, base: number, shares: Record<string, number>, removed: string[] = []) => ({
  version,
  base,
  placements: Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, at(share)])),
  removed,
});

const ignored = (): void => {};

/** The plan in Redis, and how often it was read. */
const storeOf = (plan: Plan) => {
  const store = { plan, readings: 0 };
  const followed = new FollowedPlan(async () => {
    store.readings += 1;
    return store.plan;
  }, ignored);
  return { store, followed };
};
const shareIn = (followed: FollowedPlan): number | undefined => followed.plan.placements.get("f")?.share;

test("a change of the known plan is applied without reading", async () => {
  const { store, followed } = storeOf(planOf(5, { f: 0, g: 0 }));
  followed.refresh();
  await vi.waitFor(() => expect(followed.plan.version).toBe(5));
  followed.apply(change(6, 5, { f: 1 }, ["g"]));
  expect(followed.plan).toEqual(planOf(6, { f: 1 }));
  expect(store.readings).toBe(1);
});

test("the listener is told when a share has changed", async () => {
  let moved = 0;
  const followed = new FollowedPlan(
    async () => NO_PLAN,
    (_plan, hasMoved) => (moved += Number(hasMoved)),
  );
  followed.follow(planOf(5, { f: 0, g: 0 }));
  expect(moved).toBe(1);
  followed.apply({ ...change(6, 5, {}), placements: { f: { ...at(0), probeEvery: 8 } } });
  followed.apply(change(7, 6, {}, ["g"]));
  expect([followed.plan.version, moved]).toEqual([7, 1]);
  followed.apply(change(8, 7, { f: 1 }));
  expect(moved).toBe(2);
});

test("a missed change makes it read the plan again", async () => {
  const { store, followed } = storeOf(planOf(5, { f: 0 }));
  followed.refresh();
  await vi.waitFor(() => expect(followed.plan.version).toBe(5));
  store.plan = planOf(7, { f: 1, g: 1 });
  followed.apply(change(7, 6, { g: 1 }));
  await vi.waitFor(() => expect(followed.plan).toEqual(store.plan));
});

test("a change that was read already changes nothing", async () => {
  const { store, followed } = storeOf(planOf(9, { f: 1 }));
  followed.follow(store.plan);
  followed.apply(change(9, 8, { f: 0 }));
  expect(followed.plan).toEqual(planOf(9, { f: 1 }));
  expect(store.readings).toBe(0);
  followed.apply(change(8, 7, { f: 0 }));
  await vi.waitFor(() => expect(store.readings).toBe(1));
  expect(followed.plan).toEqual(planOf(9, { f: 1 }));
});

test("a published plan that was not written is left with the next one that is", async () => {
  const { store, followed } = storeOf(planOf(5, { f: 0 }));
  followed.follow(store.plan);
  followed.apply(change(1_000, 5, { f: 1 }));
  expect(shareIn(followed)).toBe(1);
  store.plan = planOf(6, { f: 0, g: 0 });
  followed.apply(change(6, 5, { g: 0 }));
  await vi.waitFor(() => expect(followed.plan).toEqual(store.plan));
});

test("an answer that a change has overtaken is read again, and the second answer holds", async () => {
  const { store, followed } = storeOf(planOf(8, { f: 0 }));
  followed.follow(planOf(9, { f: 1 }));
  followed.refresh();
  await vi.waitFor(() => expect(followed.plan).toEqual(planOf(8, { f: 0 })));
  expect(store.readings).toBe(2);
});

test("a plan of an earlier reign is followed if Redis has lost the later ones", async () => {
  const { followed } = storeOf(planOf(planVersion(1, 0), { f: 0 }));
  followed.follow(planOf(planVersion(7, 3), { f: 1 }));
  followed.apply(change(planVersion(1, 0), 0, { f: 0 }));
  await vi.waitFor(() => expect(shareIn(followed)).toBe(0));
});

test("the last plan holds while it cannot be read", async () => {
  const followed = new FollowedPlan(() => Promise.reject(new Error("away")), ignored);
  followed.follow(planOf(3, { f: 1 }));
  followed.refresh();
  await Promise.resolve();
  expect(shareIn(followed)).toBe(1);
});

test("the last plan holds if Redis has lost it", async () => {
  const { store, followed } = storeOf(NO_PLAN);
  followed.follow(planOf(3, { f: 1 }));
  followed.refresh();
  // All that it reads, as often as it does, has been answered by then.
  await setImmediate();
  followed.apply(change(9, 8, { f: 0 }));
  await setImmediate();
  expect(store.readings).toBeGreaterThanOrEqual(2);
  expect(followed.plan).toEqual(planOf(3, { f: 1 }));
  store.plan = planOf(4, { f: 0 });
  followed.apply(change(4, 0, { f: 0 }));
  await vi.waitFor(() => expect(followed.plan).toEqual(store.plan));
});

test("forged changes do not make it grow without bound", async () => {
  const { store, followed } = storeOf(planOf(1, { f: 1 }));
  followed.refresh();
  await vi.waitFor(() => expect(followed.plan.version).toBe(1));
  const forged = Object.fromEntries(Array.from({ length: TALLIED_FUNCTIONS_MAX }, (_, at) => [`g${at}`, 0]));
  followed.apply(change(2, 1, forged));
  await vi.waitFor(() => expect(store.readings).toBeGreaterThan(1));
  expect(followed.plan).toEqual(store.plan);
});

test("changes that come faster than answers do not keep it from following the answers", async () => {
  const followedBefore: number[] = [];
  const followed = new FollowedPlan(async () => {
    followedBefore.push(followed.plan.version);
    const version = 5 + 2 * followedBefore.length;
    // Meanwhile it misses one, every time but the last.
    if (followedBefore.length < 5) followed.apply(change(version + 2, version + 1, { f: 1 }));
    return planOf(version, { f: 1 });
  }, ignored);
  followed.refresh();
  await vi.waitFor(() => expect(followed.plan.version).toBe(15));
  expect(followedBefore).toEqual([0, 7, 9, 11, 13]);
});
