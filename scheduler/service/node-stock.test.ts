import * as fc from "fast-check";
import { expect, it } from "vitest";
import { NodeStock, type NodeStockOptions } from "./node-stock.ts";

const REFILL_MS = 1_000;
const UNIX_MS = 1.7e12;
const release = (nodeId: string) => ({ requestId: "r", nodeId });

function stockOf(count: number, options: Partial<NodeStockOptions> = {}) {
  let nowMs = 0;
  /** By which the clock on the wall is ahead. */
  let aheadMs = UNIX_MS;
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: `n${index}`,
    address: "127.0.0.1",
    port: 1 + index,
    memoryBytes: 1,
  }));
  const clocks = { now: () => nowMs, unixMs: () => nowMs + aheadMs };
  const habits = { nodes, ready: 2, reservedMax: 3, refillMs: () => REFILL_MS, ...clocks, ...options };
  return {
    stock: new NodeStock(habits),
    pass: (ms: number) => void (nowMs += ms),
    setClock: (byMs: number) => void (aheadMs += byMs),
  };
}

it("has some nodes at the start, and one more a while after each that is reserved", async () => {
  const { stock, pass } = stockOf(4);
  expect((await stock.reserve()).id).toBe("n0");
  expect((await stock.reserve()).id).toBe("n1");
  await expect(stock.reserve()).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
  pass(REFILL_MS - 1);
  await expect(stock.reserve()).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
  pass(1);
  expect((await stock.reserve()).id).toBe("n2");
});

it("hands out no more than it may, however many are ready", async () => {
  const { stock } = stockOf(10, { ready: 10 });
  for (let count = 0; count < 3; count++) await stock.reserve();
  await expect(stock.reserve()).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
});

it("hands a released node out again after a while, and those that were ready before it first", async () => {
  const { stock, pass } = stockOf(2);
  const { id } = await stock.reserve();
  await stock.release(release(id));
  expect((await stock.reserve()).id).toBe("n1");
  await expect(stock.reserve()).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
  pass(REFILL_MS);
  expect(await stock.reserve()).toMatchObject({ id, reservedAtMs: UNIX_MS + REFILL_MS, releasedAtMs: UNIX_MS });
});

it("has nodes ready after a while that passes, wherever the clock on the wall is set meanwhile", async () => {
  for (const byMs of [-3_600_000, 3_600_000, -2 * UNIX_MS]) {
    const { stock, pass, setClock } = stockOf(1);
    const { id } = await stock.reserve();
    await stock.release(release(id));
    setClock(byMs);
    pass(REFILL_MS - 1);
    await expect(stock.reserve()).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
    pass(1);
    expect((await stock.reserve()).reservedAtMs).toBe(UNIX_MS + byMs + REFILL_MS);
    expect(await stock.usage()).toHaveLength(1);
    await stock.release(release(id));
    expect(await stock.usage()).toEqual([]);
  }
});

it("takes back only what is out, and once", async () => {
  const { stock } = stockOf(2);
  await expect(stock.release(release("n0"))).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
  await expect(stock.release(release("foreign"))).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
  await stock.reserve();
  await stock.release(release("n0"));
  await expect(stock.release(release("n0"))).rejects.toMatchObject({ code: "NODE_NOT_FOUND" });
});

it("never hands a node out twice, nor more than it may, whatever is asked", async () => {
  const step = fc.oneof(
    fc.constant({ do: "reserve" as const }),
    fc.record({ do: fc.constant("release" as const), which: fc.nat(7) }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.nat(2 * REFILL_MS) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const { stock, pass } = stockOf(5);
      const out = new Set<string>();
      const mistakes: string[] = [];
      for (const one of steps) {
        if (one.do === "pass") pass(one.ms);
        else if (one.do === "reserve") {
          const id = await stock.reserve().then(
            (node) => node.id,
            () => null,
          );
          if (id !== null && out.has(id)) mistakes.push(`${id} was handed out twice`);
          if (id !== null) out.add(id);
        } else {
          const id = `n${one.which}`;
          const isBack = await stock.release(release(id)).then(
            () => true,
            () => false,
          );
          if (isBack !== out.delete(id)) mistakes.push(`${id} came back: ${isBack}`);
        }
        expect(out.size).toBeLessThanOrEqual(3);
        expect(new Set((await stock.usage()).map(({ id }) => id))).toEqual(out);
      }
      expect(mistakes).toEqual([]);
    }),
  );
});
