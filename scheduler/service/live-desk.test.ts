import { afterEach, describe, expect, test, vi } from "vitest";

import type { HostedInstance, LeasedInstance, LeaseWanted, NodeBeat } from "../grpc/capacity-desk.ts";
import { fixedKeepAlive } from "../policy/fixed.ts";
import type { FunctionPolicy, Policy, PoolView } from "../policy/policy.ts";
import { overheard } from "../scheduler-fixture.ts";
import { LiveDesk, type LiveDeskOptions } from "./live-desk.ts";

const SHAPE = { key: "khop@1", memoryMb: 64, timeoutMs: 5_000 };
const WARM = { ...fixedKeepAlive("warm", { keepAliveMs: 3_600_000, lookEveryMs: 0 }), sharesStarts: true };
const MIB = 2 ** 20;

/** Containers of one node. */
class Host {
  readonly id: string;
  readonly containers = new Map<string, HostedInstance>();
  /** What is removed waits for. */
  ends: Promise<void> = Promise.resolve();
  readonly #beat: Partial<NodeBeat>;

  constructor(id: string, beat: Partial<NodeBeat> = {}) {
    this.id = id;
    this.#beat = beat;
  }

  beat(more: Partial<NodeBeat> = {}): NodeBeat {
    const offered = { address: this.id, port: 1, memoryMb: 256, availableMb: 256, cpus: 2, isLeaving: false };
    const instances = [...this.containers.values()];
    return {
      nodeId: this.id,
      ...offered,
      instances,
      leases: [],
      waits: [],
      returned: [],
      broken: [],
      scaled: [],
      scaledVersion: 1,
      threads: null,
      ...this.#beat,
      ...more,
    };
  }
}

/** `starts`: what starts of a function on a node wait for. */
const cluster = (...hosts: readonly Host[]) => clusterWith(async () => {}, ...hosts);
const clusterWith = (starts: (nodeId: string, key: string) => Promise<void>, ...hosts: readonly Host[]) => {
  let made = 0;
  const events: string[] = [];
  const removals: string[] = [];
  const started: string[] = [];
  const connect: LiveDeskOptions["connect"] = ({ id }) => {
    const host = hosts.find((one) => one.id === id)!;
    return {
      createContainer: async ({ name, meta }) => {
        const container = `${id}-${made++}`;
        await starts(id, meta.functionName);
        const shape = { key: meta.functionName, memoryMb: meta.memoryBytes / MIB, timeoutMs: meta.timeoutMs };
        host.containers.set(container, { id: container, name, shape, usedMb: 0 });
        return container;
      },
      removeContainer: async ({ containerId }) => {
        removals.push(containerId);
        await host.ends;
        host.containers.delete(containerId);
      },
    };
  };
  const observer = {
    started: ({ pool }: { readonly pool: { readonly config: { readonly key: string } } }) =>
      void started.push(pool.config.key),
    stopped() {},
    failed() {},
    node: (id: string, what: string) => void events.push(`${id} ${what}`),
    leaseEnded() {},
  };
  const open = (instances: number | null = null, policy: Policy = WARM): LiveDesk => {
    const totals = { instances, threads: null };
    const desk = new LiveDesk({ policy, observer, connect, saved: null, totals });
    opened.push(desk);
    return desk;
  };
  return { open, events, removals, started };
};

const opened: LiveDesk[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const desk of opened.splice(0)) desk.close();
});
const NOTHING_HELD = { busy: 0, busyForMs: 0 };
const wanted = (nodeId: string, more = {}): LeaseWanted => ({
  nodeId,
  shape: SHAPE,
  count: 1,
  waiting: 1,
  isGrowth: false,
  held: NOTHING_HELD,
  ...more,
});
const lend = async (desk: LiveDesk, ask: LeaseWanted, signal?: AbortSignal): Promise<readonly LeasedInstance[]> =>
  (await desk.lease(ask, signal)).instances;
const use = (id: string) => ({
  id,
  calls: 1,
  executionMs: 5,
  cpus: 0.1,
  usedMs: 5,
  beganAgoMs: 100,
  isUsed: false,
  unusedForMs: 95,
  waitedMs: 0,
  lackedMemory: false,
});

describe("the desk", () => {
  test("starts an instance on the node that asks, and lends it to nobody else", async () => {
    const [a, b] = [new Host("a"), new Host("b")];
    const desk = cluster(a, b).open();
    await expect(lend(desk, wanted("b"))).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
    for (const host of [a, b]) await desk.beat(host.beat());
    const [leased] = await lend(desk, wanted("b"));
    expect(leased).toEqual({ id: "b-0", nodeId: "b", address: "b", port: 1, cpus: 2 });
    expect((await lend(desk, wanted("a")))[0]).toMatchObject({ nodeId: "a" });
    expect((await desk.overview()).instances.map(({ id, holder, state }) => [id, holder, state])).toEqual([
      ["b-0", "b", "busy"],
      ["a-1", "a", "busy"],
    ]);
  });

  test("what is given back is lent again; who held it before sends nothing more there, and its calls end", async () => {
    const [a, b] = [new Host("a"), new Host("b")];
    const desk = cluster(a, b).open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const [leased] = await lend(desk, wanted("a"));
    await desk.beat(a.beat({ returned: [leased!.id] }));
    const [again] = await lend(desk, wanted("b"));
    expect(again!.id).toBe(leased!.id);
    // Nothing of b's is a's to give back.
    desk.takeBack("a", [again!.id]);
    expect((await desk.overview()).instances[0]!.holder).toBe("b");
    expect(await desk.beat(a.beat({ leases: [use(again!.id)] }))).toMatchObject({
      gone: [],
      revoked: [again!.id],
    });
  });

  test("the policy has heard of calls that wait before it is asked about them, and of those on a node that is lost that they are gone", async () => {
    vi.useFakeTimers();
    const { policy, heard } = overheard(WARM);
    /** How many had come by then, and how many wait. */
    const asked: (readonly [came: number, waiting: number])[] = [];
    const startsFor = ({ waiting }: PoolView): number => {
      asked.push([heard.came, waiting]);
      return 0;
    };
    const follow: Policy["follow"] = (...of) =>
      new Proxy(policy.follow(...of), {
        get: (decides, name: keyof FunctionPolicy) => (name === "startsFor" ? startsFor : decides[name]),
      });
    const a = new Host("a");
    const desk = cluster(a).open(null, { ...policy, follow });
    await desk.beat(a.beat());
    const [leased] = await lend(desk, wanted("a"));
    expect(asked).toEqual([[1, 1]]);
    const began = { ...use(leased!.id), calls: 0, isUsed: true };
    await desk.beat(a.beat({ leases: [began] }));
    expect([heard.came, heard.underWay]).toEqual([1, 1]);
    const waits = await desk.lease(wanted("a", { count: 2, waiting: 2, held: { busy: 1, busyForMs: 5 } }));
    expect(waits).toEqual({ instances: [], waitMs: 30_000 });
    expect(asked.slice(1)).toEqual([[3, 2]]);
    // Each is told once: one has left, and another has come.
    const key = SHAPE.key;
    await desk.beat(a.beat({ leases: [began], waits: [{ key, waiting: 2, left: 1, leftWaitMs: 20 }] }));
    expect(heard).toEqual({ came: 4, underWay: 3, waitedMs: 20 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(heard).toEqual({ came: 4, underWay: 0, waitedMs: 20 });
  });

  test("a function that is too large for any node is refused, and growth takes only what there is", async () => {
    const a = new Host("a");
    const desk = cluster(a).open();
    await desk.beat(a.beat());
    const large = { ...SHAPE, key: "large@1", memoryMb: 300 };
    await expect(lend(desk, wanted("a", { shape: large }))).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
    expect(await lend(desk, wanted("a", { count: 16, isGrowth: true }))).toHaveLength(2);
    expect(await lend(desk, wanted("a", { isGrowth: true }))).toEqual([]);
  });

  describe("of a function of which it is known how little memory it needs", () => {
    const CONFIGURED_MB = SHAPE.memoryMb;
    /** The most that was seen, a quarter more, and one for the call. */
    const LEARNED_MB = 26;
    /** Two instances on one node. */
    const setUpLearned = async () => {
      const [a, b] = [new Host("a"), new Host("b")];
      const desk = cluster(a, b).open();
      for (const host of [a, b]) await desk.beat(host.beat());
      const held = [...(await lend(desk, wanted("a"))), ...(await lend(desk, wanted("a")))].map(({ id }) => id);
      for (const one of a.containers.values()) a.containers.set(one.id, { ...one, usedMb: 20 });
      const beat = (lacking: readonly string[] = []) =>
        desk.beat(a.beat({ leases: held.map((id) => ({ ...use(id), lackedMemory: lacking.includes(id) })) }));
      const promised = async () => (await desk.overview()).instances.map(({ memoryMb }) => memoryMb);
      for (let beats = 0; beats < 6; beats++) await beat();
      expect(await promised()).toEqual([LEARNED_MB, LEARNED_MB]);
      return { a, b, desk, held, beat, promised };
    };

    test("promises as much as is configured once calls lacked memory, for a thousand executions, and stops nothing for it", async () => {
      const { desk, held, beat, promised } = await setUpLearned();
      const { revoked, gone } = await beat(held);
      expect([revoked, gone, await promised()]).toEqual([[], [], [CONFIGURED_MB, CONFIGURED_MB]]);
      const [next] = await lend(desk, wanted("b"));
      expect((await desk.overview()).instances.find(({ id }) => id === next!.id)!.memoryMb).toBe(CONFIGURED_MB);
      // Two count with each beat, the one that said it included.
      for (let beats = 1; beats < 499; beats++) await beat();
      expect((await promised()).slice(0, 2)).toEqual([CONFIGURED_MB, CONFIGURED_MB]);
      await beat();
      await beat();
      expect((await promised()).slice(0, 2)).toEqual([LEARNED_MB, LEARNED_MB]);
    });

    test("hears it of an instance that is gone with the same beat, and from nobody who does not hold it", async () => {
      const { a, b, desk, held, beat, promised } = await setUpLearned();
      await desk.beat(b.beat({ leases: [{ ...use(held[0]!), lackedMemory: true }] }));
      await beat();
      expect(await promised()).toEqual([LEARNED_MB, LEARNED_MB]);
      a.containers.delete(held[0]!);
      await desk.beat(a.beat());
      await beat([held[0]!]);
      expect(await promised()).toEqual([CONFIGURED_MB]);
    });
  });

  test("nobody waits for the slowest start, and what has started then is free", async () => {
    const [a, b] = [new Host("a", { memoryMb: 64 }), new Host("b")];
    const slow = Promise.withResolvers<void>();
    const desk = clusterWith((id) => (id === "b" ? slow.promise : Promise.resolve()), a, b).open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const first = await lend(desk, wanted("a", { count: 2 }));
    expect(first.map(({ nodeId }) => nodeId)).toEqual(["a"]);
    const next = lend(desk, wanted("a", { count: 2 }));
    expect((await desk.overview()).counts).toMatchObject({ starting: 2, waiting: 2 });
    slow.resolve();
    const leased = [...(await next), ...(await lend(desk, wanted("a")))];
    expect(new Set(leased.map(({ id }) => id)).size).toBe(leased.length);
    expect((await desk.overview()).counts).toMatchObject({ busy: leased.length + 1, waiting: 0 });
  });

  test("a start that hangs on its node holds up no other function's, there or elsewhere, and keeps its own room", async () => {
    const [a, b] = [new Host("a", { memoryMb: 128 }), new Host("b", { memoryMb: 64 })];
    const hangs = new Promise<void>(() => {});
    const desk = clusterWith((_id, key) => (key === SHAPE.key ? hangs : Promise.resolve()), a, b).open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const stop = new AbortController();
    const waiting = lend(desk, wanted("a"), stop.signal);
    const others: LeasedInstance[] = [];
    for (const key of ["other@1", "another@1"]) {
      others.push(...(await lend(desk, wanted("a", { shape: { ...SHAPE, key } }))));
    }
    expect(others.map(({ nodeId }) => nodeId)).toEqual(["a", "b"]);
    for (const host of [a, b]) await desk.beat(host.beat());
    expect((await desk.overview()).counts).toMatchObject({ starting: 1, waiting: 1, busy: 2 });
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("an instance whose node leaves before it is lent is let go, and the others are lent", async () => {
    const [a, b] = [new Host("a", { memoryMb: 64 }), new Host("b", { memoryMb: 64 })];
    const desk = cluster(a, b).open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const both = (await lend(desk, wanted("b"))).concat(await lend(desk, wanted("b")));
    await desk.beat(b.beat({ returned: both.map(({ id }) => id) }));
    const again = lend(desk, wanted("b", { count: 2 }));
    void desk.beat(a.beat({ isLeaving: true }));
    expect((await again).map(({ nodeId }) => nodeId)).toEqual(["b"]);
    await vi.waitFor(async () => expect((await desk.overview()).instances).toHaveLength(1));
  });

  test("what its holder was told not to be there is lent to nobody again, and what is there all the same is removed", async () => {
    const [a, b] = [new Host("a"), new Host("b", { memoryMb: 32 })];
    const desk = cluster(a, b).open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const [leased] = await lend(desk, wanted("b"));
    // Nobody else may say so.
    await desk.beat(a.beat({ broken: [leased!.id] }));
    expect((await desk.overview()).instances).toHaveLength(1);
    await desk.beat(b.beat({ broken: [leased!.id] }));
    expect((await desk.overview()).instances).toEqual([]);
    await desk.beat(a.beat());
    await vi.waitFor(() => expect(a.containers.size).toBe(0));
    const [other] = await lend(desk, wanted("b"));
    expect(other!.id).not.toBe(leased!.id);
  });

  test("an instance that ends is removed once, however often its node names it", async () => {
    const a = new Host("a");
    const { open, removals } = cluster(a);
    const desk = open();
    await desk.beat(a.beat());
    const [leased] = await lend(desk, wanted("a"));
    const ends = Promise.withResolvers<void>();
    a.ends = ends.promise;
    const named = a.beat();
    await desk.beat(a.beat({ isLeaving: true, returned: [leased!.id] }));
    for (let beat = 0; beat < 3; beat++) await desk.beat(named);
    expect(removals).toEqual([leased!.id]);
    ends.resolve();
  });

  test("one that was taken over and ends is not taken over again, however often its node names it", async () => {
    const a = new Host("a", { memoryMb: 128 });
    const { open, removals } = cluster(a);
    const before = open();
    await before.beat(a.beat());
    const [held] = await lend(before, wanted("a"));
    before.close();
    const ends = Promise.withResolvers<void>();
    a.ends = ends.promise;
    const desk = open();
    await desk.beat(a.beat());
    // It makes room for another, which takes the whole node.
    const other = lend(desk, wanted("a", { shape: { ...SHAPE, key: "other@1", memoryMb: 128 } }));
    for (let beats = 0; beats < 3; beats++) {
      await desk.beat(a.beat());
      expect((await desk.overview()).counts).toMatchObject({ draining: 1, idle: 0, busy: 0 });
    }
    ends.resolve();
    expect(await other).toHaveLength(1);
    expect(removals).toEqual([held!.id]);
  });

  test("who waits and goes away holds nothing", async () => {
    const a = new Host("a", { memoryMb: 64 });
    const desk = cluster(a).open();
    await desk.beat(a.beat());
    await lend(desk, wanted("a"));
    const cancel = new AbortController();
    const waiting = lend(desk, wanted("a", { shape: { ...SHAPE, key: "other@1" } }), cancel.signal);
    expect((await desk.beat(a.beat({ leases: [use("a-0")] }))).isPressed).toBe(true);
    cancel.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await desk.overview()).counts).toMatchObject({ waiting: 0, unplaced: 0, busy: 1 });
  });

  test("who waits is told when it schedules no more", async () => {
    const a = new Host("a", { memoryMb: 64 });
    const desk = cluster(a).open();
    await desk.beat(a.beat());
    await lend(desk, wanted("a"));
    const waiting = lend(desk, wanted("a", { shape: { ...SHAPE, key: "other@1" } }));
    desk.close();
    await expect(waiting).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  });

  test("leaves alone what a foreign scheduler has on a node", async () => {
    const a = new Host("a");
    a.containers.set("c", { id: "c", name: "theirs", shape: { ...SHAPE, key: "khop" }, usedMb: 0 });
    const desk = cluster(a).open();
    for (let beat = 0; beat < 3; beat++) await desk.beat(a.beat());
    expect((await desk.overview()).instances).toEqual([]);
    expect(a.containers.size).toBe(1);
  });

  test("counts for taken what a foreign scheduler's containers use, and what does not fit, beside what is promised", async () => {
    const a = new Host("a", { memoryMb: 256, availableMb: 56 });
    a.containers.set("c", { id: "c", name: "theirs", shape: { ...SHAPE, key: "theirs" }, usedMb: 50 });
    a.containers.set("large", { id: "large", name: "before", shape: { ...SHAPE, memoryMb: 512 }, usedMb: 150 });
    const desk = cluster(a).open();
    const freeMb = async () => (await desk.overview()).nodes.map(({ freeMb: mb }) => mb);
    await desk.beat(a.beat());
    expect(await freeMb()).toEqual([56]);
    // What is promised to an instance is not taken once more by what it uses.
    a.containers.set("small", { id: "small", name: "before", shape: { ...SHAPE, memoryMb: 32 }, usedMb: 30 });
    await desk.beat(a.beat({ availableMb: 26 }));
    expect(await freeMb()).toEqual([24]);
  });

  test("takes over what is there, lends it on to whoever says that it holds it, and starts nothing anew", async () => {
    const [a, b] = [new Host("a"), new Host("b")];
    const { open } = cluster(a, b);
    const before = open();
    for (const host of [a, b]) await before.beat(host.beat());
    const [held] = await lend(before, wanted("b"));
    before.close();
    const desk = open();
    // Its holder comes before its node has: that is no reason to lose it.
    expect(await desk.beat(a.beat({ leases: [use(held!.id)] }))).toMatchObject({ gone: [], revoked: [] });
    expect(await desk.beat(b.beat({ leases: [use(held!.id)] }))).toMatchObject({ gone: [], revoked: [] });
    const { instances, counts } = await desk.overview();
    expect(instances.map(({ id, holder }) => [id, holder])).toEqual([[held!.id, "b"]]);
    expect(counts.starts).toBe(0);
  });

  test("removes what it started for nobody, and forgets what its node does not name twice", async () => {
    const a = new Host("a");
    const desk = cluster(a).open();
    await desk.beat(a.beat());
    const [leased] = await lend(desk, wanted("a"));
    const { name, shape } = a.containers.get(leased!.id)!;
    const orphan = { id: "orphan", name: name.replace(/\d+$/, "77"), shape, usedMb: 0 };
    a.containers.set("orphan", orphan);
    await desk.beat(a.beat());
    expect([...a.containers.keys()]).toEqual([leased!.id]);
    a.containers.clear();
    await desk.beat(a.beat());
    expect((await desk.overview()).instances).toHaveLength(1);
    await desk.beat(a.beat());
    expect((await desk.overview()).instances).toHaveLength(0);
  });

  test("a node that falls silent is lost with its instances, and what it held elsewhere is free", async () => {
    vi.useFakeTimers();
    const [a, b] = [new Host("a", { memoryMb: 64 }), new Host("b")];
    const { open, events } = cluster(a, b);
    const desk = open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const leased = [...(await lend(desk, wanted("a"))), ...(await lend(desk, wanted("a")))];
    expect(leased.map(({ nodeId }) => nodeId)).toEqual(["a", "b"]);
    for (let passed = 0; passed < 4_000; passed += 500) {
      await vi.advanceTimersByTimeAsync(500);
      await desk.beat(b.beat());
    }
    const { gone, revoked } = await desk.beat(b.beat({ leases: [use(leased[0]!.id), use("of whom nobody knows")] }));
    expect([gone, revoked]).toEqual([[leased[0]!.id], ["of whom nobody knows"]]);
    expect(events).toContain("a lost");
    const { nodes, instances } = await desk.overview();
    expect(nodes.map(({ id }) => id)).toEqual(["b"]);
    expect(instances.map(({ id, state, holder }) => [id, state, holder])).toEqual([[leased[1]!.id, "idle", null]]);
  });

  test("a desk that was stopped for long hears first what nodes have said meanwhile", async () => {
    vi.useFakeTimers();
    const a = new Host("a");
    const { open, events, removals } = cluster(a);
    const desk = open();
    await desk.beat(a.beat());
    const [leased] = await lend(desk, wanted("a"));
    await desk.beat(a.beat());
    const before = performance.now();
    const clock = vi.spyOn(performance, "now").mockReturnValue(before + 3_200);
    try {
      // Its timers run before anything that was sent to it is read.
      await vi.advanceTimersByTimeAsync(500);
      expect(await desk.beat(a.beat({ leases: [use(leased!.id)] }))).toMatchObject({ gone: [], revoked: [] });
      expect([events, removals]).toEqual([["a reserved"], []]);
      // A node that says nothing is lost all the same.
      for (let passed = 0; passed < 4_000; passed += 500) {
        clock.mockReturnValue(before + 3_200 + passed);
        await vi.advanceTimersByTimeAsync(500);
      }
      expect(events).toContain("a lost");
    } finally {
      clock.mockRestore();
    }
  });

  test("keeps as many instances of a function as people say, of the version that is current, and no more than they say", async () => {
    const a = new Host("a");
    const desk = cluster(a).open();
    const kept = async (key: string) =>
      (await desk.overview()).instances.filter((one) => `${one.function}@${one.version}` === key).length;
    await desk.beat(a.beat({ scaled: [{ shape: SHAPE, min: 2, max: 2 }] }));
    await vi.waitFor(async () => expect((await desk.overview()).counts.idle).toBe(2));
    await lend(desk, wanted("a", { count: 2 }));
    expect(await lend(desk, wanted("a", { isGrowth: true }))).toEqual([]);
    const next = { ...SHAPE, key: "khop@2" };
    await desk.beat(a.beat({ scaled: [{ shape: next, min: 1, max: 0 }] }));
    await vi.waitFor(async () => expect(await kept("khop@2")).toBe(1));
    await desk.beat(a.beat());
    expect(await kept("khop@2")).toBe(1);
  });

  test("of what nodes have read of people's words the newest holds, whoever says what after it", async () => {
    const [a, b, c] = [new Host("a"), new Host("b"), new Host("c")];
    const { open, removals } = cluster(a, b, c);
    const desk = open();
    const older = { scaled: [{ shape: SHAPE, min: 0, max: 3 }], scaledVersion: 7 };
    const newer = { scaled: [{ shape: SHAPE, min: 1, max: 1 }], scaledVersion: 8 };
    for (const host of [a, b]) await desk.beat(host.beat(older));
    await lend(desk, wanted("b"));
    for (let beats = 0; beats < 3; beats++) {
      await desk.beat(a.beat(newer));
      await desk.beat(b.beat(older));
      expect(await lend(desk, wanted("b", { isGrowth: true }))).toEqual([]);
    }
    expect(removals).toEqual([]);
    // A node that has just come, and has read before.
    await desk.beat(c.beat(older));
    expect(await lend(desk, wanted("b", { isGrowth: true }))).toEqual([]);
    // All is taken back, or Redis was emptied.
    await desk.beat(b.beat({ scaledVersion: 9 }));
    await desk.beat(a.beat(newer));
    expect(await lend(desk, wanted("b", { isGrowth: true }))).toHaveLength(1);
  });

  test("of nodes that hear of a deployment one after another, the one that has heard of it is believed", async () => {
    const [a, b, c] = [new Host("a"), new Host("b"), new Host("c")];
    const { open, started } = cluster(a, b, c);
    const desk = open();
    const before = { scaled: [{ shape: SHAPE, min: 1, max: 0 }], scaledVersion: 7 };
    const next = { ...SHAPE, key: "khop@2" };
    const after = { scaled: [{ shape: next, min: 1, max: 0 }], scaledVersion: 7 };
    for (const host of [a, b]) await desk.beat(host.beat(before));
    await vi.waitFor(async () => expect((await desk.overview()).counts.idle).toBe(1));
    await desk.beat(a.beat(after));
    await vi.waitFor(async () => expect((await desk.overview()).counts.idle).toBe(2));
    // Nobody keeps the one of before any more.
    const [old] = await lend(desk, wanted("b"));
    await desk.beat(b.beat({ ...before, broken: [old!.id] }));
    for (let beats = 0; beats < 3; beats++) {
      await desk.beat(b.beat(before));
      await desk.beat(a.beat(after));
    }
    await desk.beat(b.beat(after));
    expect(started).toEqual(["khop@1", "khop@2"]);
    // One that has just come knows of no function yet.
    await desk.beat(c.beat({ scaledVersion: 7 }));
    const [current] = await lend(desk, wanted("a", { shape: next }));
    await desk.beat(a.beat({ ...after, broken: [current!.id] }));
    await vi.waitFor(() => expect(started).toEqual(["khop@1", "khop@2", "khop@2"]));
  });

  test("functions share the instances that there are to be, and what one holds beyond its share comes back and ends", async () => {
    vi.useFakeTimers();
    const [a, b] = [new Host("a"), new Host("b")];
    const { open } = cluster(a, b);
    const desk = open(3);
    for (const host of [a, b]) await desk.beat(host.beat());
    const many = [
      ...(await lend(desk, wanted("a"))),
      ...(await lend(desk, wanted("a"))),
      ...(await lend(desk, wanted("a"))),
    ];
    const [other] = await lend(desk, wanted("b", { shape: { ...SHAPE, key: "other@1" } }));
    const beats = async (): Promise<readonly string[]> => {
      await vi.advanceTimersByTimeAsync(1_000);
      const told = await desk.beat(a.beat({ leases: many.map(({ id }) => use(id)) }));
      await desk.beat(b.beat({ leases: [use(other!.id)] }));
      return told.revoked;
    };
    const revoked = await beats();
    expect([many.length, revoked.length]).toEqual([3, 1]);
    expect(await beats()).toEqual(revoked);
    await desk.beat(a.beat({ returned: revoked }));
    await vi.advanceTimersByTimeAsync(0);
    expect([...a.containers.keys(), ...b.containers.keys()]).not.toContain(revoked[0]);
    expect((await desk.overview()).instances).toHaveLength(3);
    expect(await lend(desk, wanted("b", { count: 1, isGrowth: true }))).toEqual([]);
  });

  test("a node that leaves gets nothing new, and is let go when nothing runs there", async () => {
    const [a, b] = [new Host("a"), new Host("b")];
    const { open, events } = cluster(a, b);
    const desk = open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const [leased] = await lend(desk, wanted("a"));
    await desk.beat(a.beat({ isLeaving: true, returned: [leased!.id] }));
    await vi.waitFor(() => expect(events).toContain("a released"));
    expect(a.containers.size).toBe(0);
    await expect(lend(desk, wanted("a"))).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
  });

  test("a node that leaves is let go in the end, and calls of others there are not given up", async () => {
    vi.useFakeTimers();
    const [a, b] = [new Host("a", { memoryMb: 128 }), new Host("b", { memoryMb: 32 })];
    const { open, events } = cluster(a, b);
    const desk = open();
    for (const host of [a, b]) await desk.beat(host.beat());
    const [leased] = await lend(desk, wanted("b"));
    expect(leased!.nodeId).toBe("a");
    await desk.beat(a.beat({ isLeaving: true }));
    for (let passed = 0; passed < 4_000; passed += 500) {
      await vi.advanceTimersByTimeAsync(500);
      expect((await desk.beat(b.beat({ leases: [use(leased!.id)] }))).gone).toEqual([]);
    }
    expect(events).toContain("a lost");
    const { gone, revoked } = await desk.beat(b.beat({ leases: [use(leased!.id)] }));
    expect([gone, revoked]).toEqual([[], [leased!.id]]);
  });
});
