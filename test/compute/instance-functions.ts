// Functions that tell what they run in, and what the tests of nodes with drivers of their own ask besides.

import type { Redis } from "ioredis";
import { expect, vi } from "vitest";
import type { NodeProcess } from "#test/node-process.ts";
import { call, metric } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 50 };

const bundle = (name: string, run: string, limits = ""): string =>
  `export default { kind: "locus.function", name: "${name}", limits: { deadlineMs: 60_000, cpuMs: 60_000${limits} }, run: ${run} };\n`;

/** The process that it runs in; 0 in a sandbox, which shows none. */
export const where = bundle("where", "() => globalThis.process?.pid ?? 0");
/** Ends whatever it runs in. */
export const die = bundle("die", "() => new Promise(() => globalThis.process.kill(globalThis.process.pid, 9))");
/** Some hundredths of a second of CPU time. */
export const spin = bundle(
  "spin",
  "() => { let sum = 0; for (let step = 0; step < 2e7; step++) sum = (sum * 31 + step) % 1_000_003; return sum; }",
);
/** Says in what it runs, and ends when it is told to; one at a time. */
export const hold = bundle(
  "hold",
  `async ({ redis }) => {
    await redis.sadd("holders", globalThis.process?.pid ?? 0);
    while ((await redis.get("released")) === null) await new Promise((resolve) => setTimeout(resolve, 5));
    return "ended";
  }`,
  ", concurrency: 1",
);

/** `where` is deployed: its calls have instances from now on. */
export const joined = (node: NodeProcess): Promise<void> =>
  vi.waitFor(async () => {
    const before = await metric(node, "locus_instance_leases_taken_total");
    await call(node, "where", "compute");
    expect(await metric(node, "locus_instance_leases_taken_total")).toBeGreaterThan(before);
    // One that it waited for too long runs without.
    expect((await call(node, "where", "compute")).body).toBeGreaterThan(0);
  }, LONG);

/** Of its instance. */
export const processOf = async (node: NodeProcess): Promise<number> => {
  const { status, body } = await call(node, "where", "compute", 30_000);
  expect(status).toBe(200);
  return Number(body);
};

/** CPUs of instances there, by function; of no function where nothing is said of them. */
export const cpusOf = async (
  { url }: NodeProcess,
  what: "granted" | "used",
): Promise<Readonly<Record<string, number>>> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^locus_instance_cpus_${what}\\{function="([^"]+)"\\} (\\S+)$`, "gm"));
  return Object.fromEntries(Array.from(lines, ([, name = "", value]) => [name, Number(value)]));
};

/** Eight nodes in a ring, each linked to the two after it, for `khop`. */
export const withGraph = async (redis: Redis): Promise<void> => {
  for (let id = 0; id < 8; id++) {
    await redis.set(String(id), JSON.stringify({ neigh: [1, 2].map((step) => String((id + step) % 8)) }));
  }
};
