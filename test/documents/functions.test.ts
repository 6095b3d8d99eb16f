// docs/functions.md says that a function is not a transaction: its two counters, run by two calls of which both read before either writes.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadLocalFunction } from "#compute/cli/local-function.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(ROOT, "docs", "functions.md"), "utf8");
const CALLS = 2;

let folder: string;
beforeAll(() => {
  // Inside the checkout, where "locus/function" leads to it.
  folder = mkdtempSync(join(ROOT, "build", "functions-page-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const sourceOf = (kind: string): string => new RegExp(`^\`\`\`ts ${kind}\\n(.*?)^\`\`\``, "ms").exec(page)?.[1] ?? "";

/** The value of the counter after two calls that overlap. */
async function countOf(kind: string): Promise<number> {
  const file = join(folder, `${kind}.ts`);
  writeFileSync(file, sourceOf(kind));
  const { run } = await loadLocalFunction(file);
  let count = 0;
  let reads = 0;
  const { promise: bothHaveRead, resolve } = Promise.withResolvers<void>();
  const redis = {
    get: async () => {
      const value = String(count);
      if (++reads === CALLS) resolve();
      await bothHaveRead;
      return value;
    },
    set: async (_key: string, value: number) => void (count = value),
    incr: async () => ++count,
  };
  await Promise.all(Array.from({ length: CALLS }, () => run({ redis, args: null, keys: [] } as never)));
  return count;
}

it("has a counter that loses a visit when calls overlap, and one that does not", async () => {
  expect(await countOf("wrong")).toBe(1);
  expect(await countOf("right")).toBe(CALLS);
});
