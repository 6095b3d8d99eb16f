import { describe, expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { LeaseBook } from "../capacity/lease-book.ts";
import { ComputeSide } from "./compute-side.ts";
import type { AdmittedCall } from "./side-runner.ts";

const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 1 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };
const admitted: AdmittedCall = {
  id: "a",
  call: { function: "khop", version: null, keys: [], argsJson: "null", side: null, deadlineMs: null, logs: false },
  description: khop,
  deadlineMs: 5_000,
  backCpuUs: 0,
  overflows: false,
  known: null,
};
const here: Outcome = { ok: true, resultJson: '"here"', usage: NO_USAGE, logs: [] };

/** A node that is lent an instance, a process of its own, whenever it asks for one. */
const setUp = (run: () => Promise<Outcome>, most: number | null = null) => {
  let lent = 0;
  const book = new LeaseBook({
    hasIsolates: false,
    nodeId: "me",
    nowMs: () => performance.now(),
    atMost: () => most,
    lease: async () => {
      const instance = { id: `i${lent++}`, nodeId: "me", address: "", port: 1, cpus: 1 };
      return { instances: [instance], waitMs: null };
    },
  });
  const image = { description: khop, bundle: Buffer.alloc(0) };
  const side = new ComputeSide({
    supervisorFor: () => ({ functionState: () => null, invoke: async () => here }),
    functions: { image: () => image, find: async () => khop },
    capacity: { book, peers: null, instances: { run } },
  });
  return { side, book };
};

const lacking = { code: "MEMORY_LIMIT", message: "", stack: "" } as const;

test("that a call lacked memory is told of its instance with the next beat, and not again", async () => {
  const outcomes: Outcome[] = [here, { ok: false, error: lacking, usage: NO_USAGE, logs: [] }, here];
  const { side, book } = setUp(async () => outcomes.shift()!);
  const told: unknown[] = [];
  for (let calls = 0; calls < 3; calls++) {
    await side.run(admitted);
    told.push(...book.uses(500));
  }
  expect(told).toMatchObject([false, true, false].map((lackedMemory) => ({ id: "i0", calls: 1, lackedMemory })));
});

describe("a call that four instances in a row did not take", () => {
  const gone = (): Promise<Outcome> => Promise.reject(new LocusError("INSTANCE_NOT_FOUND", "there is none"));

  test("runs on its node without one", async () => {
    const { side, book } = setUp(gone);
    expect(await side.run(admitted)).toMatchObject({ outcome: { resultJson: '"here"' } });
    expect([book.without.lost, book.returning.broken]).toEqual([1, ["i0", "i1", "i2", "i3"]]);
  });

  test("is refused where people said how many instances its function has at most", async () => {
    const { side, book } = setUp(gone, 2);
    const message = expect.stringMatching(
      /^khop got no instance in \d+ ms \(4 in a row took no call\), and may have 2 /,
    );
    await expect(side.run(admitted)).rejects.toMatchObject({ code: "OVERLOADED", message });
    expect(book.without.lost).toBe(0);
  });
});
