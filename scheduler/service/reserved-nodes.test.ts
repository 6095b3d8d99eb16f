// Schedulers over real nodes and a real stock of them, without the wire between (that: test/scheduler/contest-2020.test.ts).

import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceSpec, ListedInstance, StartedInstance } from "../driver/driver.ts";
import type { NodeStats } from "../grpc/node-service.ts";
import type { Instance } from "../instance/instance.ts";
import { LiveScheduler } from "../live-scheduler.ts";
import { fixedKeepAlive } from "../policy/fixed.ts";
import { setUp } from "../scheduler-fixture.ts";
import { CONTEST_NODE, NODE_LOOK_MS } from "../settings.ts";
import { DriverNode } from "./driver-node.ts";
import { NodeStock } from "./node-stock.ts";
import { NodeWatch } from "./node-watch.ts";
import { type NodeConnection, ReservedNodes } from "./reserved-nodes.ts";

const MIB = 2 ** 20;
const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 1 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const IMAGE: FunctionImage = { description, bundle: Buffer.alloc(0) };
const TERMS = { memoryMb: 512, timeoutMs: 1_000 };
const KEPT = fixedKeepAlive("kept", { keepAliveMs: Infinity, lookEveryMs: 0 });
const SILENT = { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} };

/** An engine of instances that nobody calls. */
class IdleEngine implements Driver {
  /** CPU time that instances used, as it tells it; null: it cannot tell what they use. */
  cpuUs: number | null = null;
  readonly #specs = new Map<string, InstanceSpec>();

  async start(spec: InstanceSpec): Promise<StartedInstance> {
    this.#specs.set(spec.id, spec);
    return { ended: new Promise(() => {}) };
  }

  invoke(): Promise<Outcome> {
    return Promise.reject(new Error("nobody calls"));
  }

  async limit(): Promise<boolean> {
    return false;
  }

  async resize(): Promise<boolean> {
    return false;
  }

  async stop(id: string): Promise<void> {
    this.#specs.delete(id);
  }

  async list(): Promise<readonly ListedInstance[]> {
    const use = this.cpuUs === null ? null : { memoryBytes: 5 * MIB, cpuUs: this.cpuUs };
    return Array.from(this.#specs.values(), ({ id, memoryBytes, cpus }) => {
      return { id, function: "f", memoryBytes, cpus, inFlight: 0, use };
    });
  }

  async close(): Promise<void> {}
}

/** Nodes with room for two containers, in a stock that has all of them ready. */
class Cluster {
  readonly engines: IdleEngine[];
  readonly nodes: DriverNode[];
  /** Ports of nodes that do not answer. */
  readonly away = new Set<number>();
  /** Of nodes that do not say whose they are. */
  readonly mute = new Set<number>();
  /** What the machine of each node has free. */
  freeBytes = Infinity;
  /** What is answered to a start of a container when that is there, and to its removal in place of it. */
  created: (id: string) => Promise<string> = async (id) => id;
  removed: (() => Promise<void>) | null = null;
  stock: NodeStock;

  constructor(count: number) {
    this.engines = Array.from({ length: count }, () => new IdleEngine());
    this.nodes = this.engines.map((engine) => this.#opened(engine));
    this.stock = this.stocked();
  }

  #opened(driver: IdleEngine): DriverNode {
    const own = { instanceCpus: 1, ownMemoryBytes: 0, folder: "/", owner: null };
    const functions = { image: async () => IMAGE };
    return new DriverNode({
      driver,
      functions,
      memoryBytes: 1_024 * MIB,
      availableBytes: () => this.freeBytes,
      ...own,
    });
  }

  /** At the same address: it knows nothing of before, and has no containers. */
  restart(port: number): DriverNode {
    const engine = new IdleEngine();
    this.engines[port] = engine;
    return (this.nodes[port] = this.#opened(engine));
  }

  /** As a manager that was started has it: nothing is out. */
  stocked(): NodeStock {
    const nodes = this.nodes.map((_, port) => ({ id: `n${port}`, address: "", port, memoryBytes: 1_024 * MIB }));
    const ready = nodes.length;
    return new NodeStock({ nodes, ready, reservedMax: ready, refillMs: () => 0, now: () => 1, unixMs: Date.now });
  }

  async containers(): Promise<readonly string[]> {
    const stats = await Promise.all(this.nodes.map((node) => node.stats()));
    return stats.flatMap(({ containers }) => containers.map(({ containerId }) => containerId));
  }

  async reserved(): Promise<readonly string[]> {
    return (await this.stock.usage()).map(({ id }) => id);
  }

  schedule(saved: unknown = null) {
    const pool = {
      reserve: () => this.stock.reserve(),
      release: (request: { readonly requestId: string; readonly nodeId: string }) => this.stock.release(request),
      usage: () => this.stock.usage(),
    };
    const connect = (_address: string, port: number): NodeConnection => this.#connect(port);
    const nodes = new ReservedNodes({ pool, connect, accountId: "account", saved });
    const settings = { nodesMax: 4, nodeSize: { memoryMb: 1_024, cpus: 2 } };
    const scheduler = new LiveScheduler({ policy: KEPT, driver: nodes, nodes, observer: SILENT, settings });
    const watch = new NodeWatch(scheduler, nodes);
    const end = (): void => {
      for (const one of [watch, scheduler, nodes]) one.close();
    };
    onTestFinished(end);
    const acquire = (key: string): Promise<Instance> => {
      const pool = scheduler.core.declare({ key, ...TERMS }, scheduler.now());
      return scheduler.acquire(pool, Infinity);
    };
    const fleet = (): readonly string[] => [...scheduler.core.fleet.nodes.keys()];
    return { nodes, scheduler, watch, acquire, fleet, end };
  }

  #connect(port: number): NodeConnection {
    const at = (): DriverNode => this.nodes[port]!;
    const stats = async (): Promise<NodeStats> => {
      if (this.away.has(port)) throw new LocusError("PEER_UNAVAILABLE", `n${port} does not answer`);
      const said = await at().stats();
      return this.mute.has(port) ? { ...said, ownerAccountId: "" } : said;
    };
    return {
      reserve: (request) => at().reserve(request),
      createContainer: async (request, signal) => this.created(await at().createContainer(request, signal)),
      removeContainer: (request) => this.removed?.() ?? at().removeContainer(request),
      invoke: (call, signal) => at().invoke(call, signal),
      stats,
      close: () => {},
    };
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const afterRestart = (saved: object): unknown => JSON.parse(JSON.stringify(saved));

describe("a scheduler that is started again", () => {
  test("has the nodes and containers that it had, and removes what nobody knows", async () => {
    const cluster = new Cluster(3);
    const first = cluster.schedule();
    const before = await Promise.all(["f", "f", "g"].map((key) => first.acquire(key)));
    const ids = await cluster.containers();
    expect(ids).toHaveLength(3);
    const saved = first.nodes.save();
    first.end();
    const meta = { functionName: "f", handler: "", timeoutMs: 1_000, memoryBytes: 1 };
    await cluster.nodes[0]!.createContainer({ requestId: "r", name: "n", meta });
    const second = cluster.schedule(afterRestart(saved));
    await second.watch.recover();
    expect(second.fleet().toSorted()).toEqual(["n0", "n1"]);
    expect(await cluster.containers()).toEqual(ids);
    const after = await Promise.all(["f", "f", "g"].map((key) => second.acquire(key)));
    expect(new Set(after.map(second.nodes.containerId))).toEqual(new Set(ids));
    expect(after.map(({ pool }) => pool.config)).toEqual(before.map(({ pool }) => pool.config));
    expect(await cluster.containers()).toEqual(ids);
    await second.watch.recover();
    expect(second.fleet()).toHaveLength(2);
  });

  test("has them though they had been nobody's for a while, and keeps those in mind that it cannot reach yet", async () => {
    const cluster = new Cluster(2);
    const first = cluster.schedule();
    await Promise.all(["f", "f", "f"].map((key) => first.acquire(key)));
    const ids = await cluster.containers();
    const saved = first.nodes.save();
    first.end();
    vi.advanceTimersByTime(60_000);
    const second = cluster.schedule(afterRestart(saved));
    cluster.away.add(1);
    await second.watch.recover();
    expect(second.fleet()).toEqual(["n0"]);
    expect(second.nodes.save()).toEqual(saved);
    cluster.away.clear();
    await second.watch.recover();
    expect(second.fleet()).toEqual(["n0", "n1"]);
    expect(await cluster.containers()).toEqual(ids);
  });

  test.each([
    ["no record", "n0"],
    ["without an owner", { nodes: {}, functions: {} }],
    ["of functions that it does not describe", { owner: "o", nodes: { n0: { c: "f" } }, functions: {} }],
    ["of functions without memory", { owner: "o", nodes: {}, functions: { f: { memoryMb: 0, timeoutMs: 1 } } }],
  ])("does not take for its own what is %s", (_title, saved) => {
    expect(() => new Cluster(1).schedule(saved)).toThrow("none of a scheduler's");
  });
});

describe("two schedulers of one account", () => {
  test("never have the same node, whatever the manager has forgotten", async () => {
    const cluster = new Cluster(2);
    const [one, other] = [cluster.schedule(), cluster.schedule()];
    await one.acquire("f");
    for (let looks = 0; looks < 3; looks++) await other.watch.recover();
    expect(other.fleet()).toEqual([]);
    await other.acquire("f");
    for (let looks = 0; looks < 3; looks++) await one.watch.recover();
    expect([one.fleet(), other.fleet()]).toEqual([["n0"], ["n1"]]);
    cluster.stock = cluster.stocked();
    await expect(other.nodes.reserve()).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    // By now it knows that it is out.
    expect(await cluster.reserved()).toEqual(["n0"]);
    expect(await cluster.containers()).toHaveLength(2);
  });

  test("have what the other one has left behind, when that has not been heard of for long", async () => {
    const cluster = new Cluster(1);
    const one = cluster.schedule();
    await one.acquire("f");
    one.end();
    const other = cluster.schedule();
    for (let looks = 0; looks < 3; looks++) await other.watch.recover();
    expect(other.fleet()).toEqual([]);
    vi.advanceTimersByTime(30_000);
    for (let looks = 0; looks < 3; looks++) await other.watch.recover();
    expect(other.fleet()).toEqual(["n0"]);
    expect(await cluster.containers()).toEqual([]);
  });

  test("leave alone for a while what a manager has just handed out, and for ever what never says whose it is", async () => {
    const cluster = new Cluster(2);
    const one = cluster.schedule();
    for (let nodes = 0; nodes < 2; nodes++) await cluster.stock.reserve();
    cluster.mute.add(1);
    await one.watch.recover();
    expect(one.fleet()).toEqual([]);
    for (let looks = 0; looks < 3; looks++) await one.watch.recover();
    expect(one.fleet()).toEqual(["n0"]);
  });

  test("lose to the other what they have not asked for in time, and leave it there", async () => {
    const cluster = new Cluster(2);
    const one = cluster.schedule();
    await one.acquire("f");
    // As one that is stopped, and goes on later.
    one.watch.close();
    const other = cluster.schedule();
    await other.watch.recover();
    vi.advanceTimersByTime(30_000);
    for (let looks = 0; looks < 3; looks++) await other.watch.recover();
    expect(other.fleet()).toEqual(["n0"]);
    await one.watch.look();
    expect(one.fleet()).toEqual([]);
    expect(await cluster.reserved()).toEqual(["n0"]);
    await other.watch.look();
    expect(other.fleet()).toEqual(["n0"]);
  });
});

describe("a scheduler of somebody else's that never says whose a node is", () => {
  /** It has what it asks the contest's services for, and nothing else. */
  const foreign = async ({ stock, nodes }: Cluster) => {
    const { id, port } = await stock.reserve();
    const meta = { functionName: "f", handler: "", timeoutMs: 1_000, memoryBytes: MIB };
    const create = (): Promise<string> => nodes[port]!.createContainer({ requestId: "r", name: "n", meta });
    return { id, create };
  };

  test("keeps its node and containers as long as it uses them, and another has them when it has been silent for long", async () => {
    const cluster = new Cluster(1);
    const one = cluster.schedule();
    const { create } = await foreign(cluster);
    const containers = [await create()];
    for (const silentMs of [60_000, 200_000]) {
      for (let looks = 0; looks < 3; looks++) await one.watch.recover();
      vi.advanceTimersByTime(silentMs);
      for (let looks = 0; looks < 3; looks++) await one.watch.recover();
      expect([one.fleet(), await cluster.containers()]).toEqual([[], containers]);
      containers.push(await create());
    }
    vi.advanceTimersByTime(300_000);
    for (let looks = 0; looks < 2; looks++) await one.watch.recover();
    expect([one.fleet(), await cluster.containers()]).toEqual([["n0"], []]);
  });

  test("keeps one that another has given back a moment ago, though it names that one still", async () => {
    const cluster = new Cluster(1);
    const one = cluster.schedule();
    const instance = await one.acquire("f");
    one.scheduler.release(instance, { executionMs: 1, isBroken: true });
    await one.watch.look();
    await one.nodes.release(instance.node);
    one.scheduler.core.nodeLost("n0", "it was given back", one.scheduler.now());
    const { id, create } = await foreign(cluster);
    const container = await create();
    for (let looks = 0; looks < 3; looks++) await one.watch.recover();
    expect([id, one.fleet(), await cluster.containers()]).toEqual(["n0", [], [container]]);
  });

  test("keeps one that was nobody's before, and was handed out anew since that was seen", async () => {
    const cluster = new Cluster(1);
    const one = cluster.schedule();
    const { id } = await foreign(cluster);
    await one.watch.recover();
    await cluster.stock.release({ requestId: "r", nodeId: id });
    vi.advanceTimersByTime(10_000);
    await foreign(cluster);
    await one.watch.recover();
    expect(one.fleet()).toEqual([]);
    await one.watch.recover();
    expect(one.fleet()).toEqual(["n0"]);
  });
});

describe("a node that is started again", () => {
  const again = async () => {
    const cluster = new Cluster(1);
    const one = cluster.schedule();
    const instance = await one.acquire("f");
    const containerId = one.nodes.containerId(instance);
    await one.watch.look();
    return { cluster, one, containerId, node: cluster.restart(0) };
  };
  const meta = { functionName: "f", handler: "", timeoutMs: 1_000, memoryBytes: 1 };

  test("stays its scheduler's, though a container of before was called or removed before it was looked at", async () => {
    const { cluster, one, containerId, node } = await again();
    const call = { requestId: "r", containerId, event: Buffer.alloc(0), meta };
    await expect(node.invoke(call)).rejects.toThrow("nobody calls");
    await node.removeContainer({ requestId: "r", containerId });
    await one.watch.look();
    expect([one.fleet(), [...one.scheduler.core.instances()]]).toEqual([["n0"], []]);
    await one.acquire("f");
    expect(await cluster.containers()).toHaveLength(1);
  });

  test("stays its scheduler's, though that has made a container there before it was looked at", async () => {
    const { cluster, one } = await again();
    const instance = await one.acquire("f");
    await one.watch.look();
    expect([one.fleet(), [...one.scheduler.core.instances()]]).toEqual([["n0"], [instance]]);
    expect(await cluster.containers()).toEqual([one.nodes.containerId(instance)]);
  });
});

describe("what containers use, as their nodes say,", () => {
  const OFTEN = 12;
  const CPU_US = 20_000;
  const lookOften = async (
    { engines }: Cluster,
    { watch }: ReturnType<Cluster["schedule"]>,
    before = async (): Promise<void> => {},
  ): Promise<void> => {
    for (let look = 0; look < OFTEN; look++) {
      await before();
      for (const engine of engines) engine.cpuUs = (engine.cpuUs ?? 0) + CPU_US;
      vi.advanceTimersByTime(NODE_LOOK_MS);
      await watch.look();
    }
  };

  test("is what later ones are packed by", async () => {
    const cluster = new Cluster(2);
    const scheduling = cluster.schedule();
    const { scheduler, acquire, fleet } = scheduling;
    await lookOften(cluster, scheduling, async () => {
      scheduler.release(await acquire("f"), { executionMs: 10, memoryMb: 5 });
    });
    const { need } = scheduler.core.pool("f");
    expect(need.memoryMb).toBe(16);
    // A quarter more than 20 ms in 2 s.
    expect(need.cpus).toBeCloseTo(0.0125, 3);
    await Promise.all(Array.from({ length: 30 }, () => acquire("f")));
    expect(fleet()).toEqual(["n0"]);
  });

  test("teaches nothing at a look at which a node cannot tell, nor too much at the one after", async () => {
    const cluster = new Cluster(1);
    const scheduling = cluster.schedule();
    const { scheduler, watch, acquire } = scheduling;
    const call = async (): Promise<void> => scheduler.release(await acquire("f"), { executionMs: 10, memoryMb: 5 });
    const [engine] = cluster.engines as [IdleEngine];
    engine.cpuUs = 3_600e6;
    await lookOften(cluster, scheduling, call);
    const { cpuUs } = engine;
    engine.cpuUs = null;
    await call();
    vi.advanceTimersByTime(NODE_LOOK_MS);
    await watch.look();
    engine.cpuUs = cpuUs + CPU_US;
    await lookOften(cluster, scheduling, call);
    const { need } = scheduler.core.pool("f");
    expect(need.memoryMb).toBe(16);
    expect(need.cpus).toBeCloseTo(0.0125, 3);
    expect(scheduler.core.node("n0").freeMb).toBe(1_024 - 16);
  });

  test("counts as no execution while one goes on, however long, and as one when it has ended", async () => {
    const cluster = new Cluster(1);
    const scheduling = cluster.schedule();
    const { scheduler, acquire } = scheduling;
    const instance = await acquire("f");
    const { need } = scheduler.core.pool("f");
    await lookOften(cluster, scheduling);
    expect([need.memoryMb, need.cpus > 0.3]).toEqual([TERMS.memoryMb, true]);
    scheduler.release(instance, { executionMs: 10 });
    let calls = 1;
    await lookOften(cluster, scheduling, async () => {
      if (need.memoryMb < TERMS.memoryMb) return;
      calls++;
      scheduler.release(await acquire("f"), { executionMs: 10 });
    });
    expect([need.memoryMb, need.cpus < 0.02, calls]).toEqual([16, true, 11]);
  });

  test("teaches nothing while no call runs there", async () => {
    const cluster = new Cluster(1);
    const scheduling = cluster.schedule();
    const { scheduler, acquire } = scheduling;
    scheduler.release(await acquire("f"), { executionMs: 10 });
    await lookOften(cluster, scheduling);
    expect(scheduler.core.pool("f").need).toMatchObject({ memoryMb: TERMS.memoryMb });
    expect(scheduler.core.pool("f").need.cpus).toBeGreaterThan(0.3);
  });
});

test("a node that has more memory than the contest's is taken to have more CPUs, so that one container can take all of it", async () => {
  const node = { id: "n0", address: "", port: 0, memoryBytes: 2 * CONTEST_NODE.memoryMb * MIB };
  const stock = new NodeStock({
    nodes: [node],
    ready: 1,
    reservedMax: 1,
    refillMs: () => 0,
    now: () => 1,
    unixMs: () => 1,
  });
  const connection = { reserve: async () => {}, close: () => {} } as unknown as NodeConnection;
  const nodes = new ReservedNodes({ pool: stock, connect: () => connection, accountId: "account" });
  const { cpus } = await nodes.reserve();
  const { scheduler } = setUp({ nodesMax: 1 }, KEPT, null);
  const { need } = scheduler.declare({ key: "f", memoryMb: 2 * CONTEST_NODE.memoryMb }, 0);
  expect(cpus).toBeGreaterThanOrEqual(need.cpus);
});

test("what others use on a node's machine is no room for containers, though nobody was promised it", async () => {
  const cluster = new Cluster(2);
  const { watch, acquire, scheduler } = cluster.schedule();
  expect((await acquire("f")).node.id).toBe("n0");
  cluster.freeBytes = 300 * MIB;
  await watch.look();
  expect(scheduler.core.node("n0").freeMb).toBe(300);
  expect((await acquire("f")).node.id).toBe("n1");
  cluster.freeBytes = 900 * MIB;
  await watch.look();
  expect(scheduler.core.node("n0").freeMb).toBe(512);
});

test("a container that dies is forgotten, and who has it may give it back", async () => {
  const cluster = new Cluster(1);
  const { nodes, scheduler, watch, acquire } = cluster.schedule();
  const instance = await acquire("f");
  await cluster.nodes[0]!.removeContainer({ requestId: "r", containerId: nodes.containerId(instance) });
  await watch.look();
  expect([instance.state, nodes.containerOf(instance), Object.values(nodes.save().nodes)]).toEqual([
    "gone",
    undefined,
    [{}],
  ]);
  scheduler.release(instance, { executionMs: 1 });
  expect((await acquire("f")).id).not.toBe(instance.id);
});

describe("a container that is no instance's", () => {
  const freeMb = ({ core }: LiveScheduler): number => core.node("n0").freeMb;
  const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

  test("since its start was given up before its node was done is removed, and its memory is taken until then", async () => {
    const cluster = new Cluster(1);
    const { scheduler, watch, acquire } = cluster.schedule();
    cluster.created = () => Promise.reject(new LocusError("DEADLINE_EXCEEDED", "it takes too long"));
    const waiting = acquire("f");
    await settled();
    const [stray] = await cluster.containers();
    expect(stray).toBeDefined();
    await watch.look();
    expect([freeMb(scheduler), await cluster.containers()]).toEqual([512, [stray]]);
    cluster.created = async (id) => id;
    await watch.look();
    await settled();
    expect(await cluster.containers()).not.toContain(stray);
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await waiting).state).toBe("busy");
    // The first may have begun before.
    for (let looks = 0; looks < 2; looks++) await watch.look();
    expect([freeMb(scheduler), (await cluster.containers()).length]).toEqual([512, 1]);
  });

  test("since its removal failed is removed again", async () => {
    const cluster = new Cluster(1);
    const { scheduler, watch, acquire } = cluster.schedule();
    const instance = await acquire("f");
    cluster.removed = () => Promise.reject(new LocusError("PEER_UNAVAILABLE", "not now"));
    scheduler.release(instance, { executionMs: 1, isBroken: true });
    await settled();
    expect([instance.state, (await cluster.containers()).length]).toEqual(["gone", 1]);
    for (let looks = 0; looks < 3; looks++) await watch.look();
    expect([freeMb(scheduler), (await cluster.containers()).length]).toEqual([512, 1]);
    cluster.removed = null;
    await watch.look();
    await settled();
    await watch.look();
    expect([freeMb(scheduler), await cluster.containers()]).toEqual([1_024, []]);
  });

  test("yet is left alone while the start may be under way that has made it, or it is on its way out", async () => {
    const cluster = new Cluster(1);
    const { nodes, scheduler, watch, acquire } = cluster.schedule();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    cluster.created = (id) => answered.then(() => id);
    const waiting = acquire("f");
    await settled();
    for (let looks = 0; looks < 3; looks++) await watch.look();
    const ids = await cluster.containers();
    // It is promised, and not taken once more.
    expect([ids.length, freeMb(scheduler)]).toEqual([1, 512]);
    answer();
    const instance = await waiting;
    expect([nodes.containerId(instance), await cluster.containers()]).toEqual([ids[0], ids]);
    let removals = 0;
    cluster.removed = () => (removals++, new Promise(() => {}));
    scheduler.release(instance, { executionMs: 1, isBroken: true });
    for (let looks = 0; looks < 3; looks++) await watch.look();
    expect([removals, freeMb(scheduler)]).toEqual([1, 512]);
  });
});
