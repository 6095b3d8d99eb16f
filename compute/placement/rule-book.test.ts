import { expect, test, vi } from "vitest";

import type { FunctionDescription } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { FunctionCache } from "../node/function-cache.ts";
import { MemoryRegistry } from "../node/memory-registry.ts";
import { RuleBook } from "./rule-book.ts";
import { NO_RULES } from "./stored-rules.ts";

/** A bundle is a name and a side: `khop storage`. */
const describeBundle = (bundle: Uint8Array): FunctionDescription => {
  const [name = "", side] = new TextDecoder().decode(bundle).split(" ");
  const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 };
  return {
    name,
    version: versionOf(bundle),
    side: side === "storage" ? side : null,
    limits,
    input: null,
    output: null,
  };
};

test("the rules are those of the functions that are deployed now", async () => {
  const registry = new MemoryRegistry(describeBundle);
  const functions = new FunctionCache(registry, 1024);
  const deploy = async (text: string): Promise<void> => {
    await registry.load(new TextEncoder().encode(text));
    await functions.refresh();
  };
  await deploy("khop storage");
  const stored = new Map([["walk", { ...NO_RULES, weight: 2 }]]);
  const store = {
    readRules: async () => new Map([["khop", { ...NO_RULES, weight: 3 }]]),
    writeRules: vi.fn<() => Promise<void>>(async () => {}),
  };
  const onChange = vi.fn<() => void>();
  const book = new RuleBook({ store, functions, onChange, log: { info: () => {} } }, stored);
  functions.onChange((names) => book.review(names));
  expect([...book.rules.keys()]).toEqual(["khop"]);
  await deploy("walk");
  expect(book.rules.get("walk")).toMatchObject({ weight: 2, preferred: null });
  await deploy("walk storage");
  expect(book.rules.get("walk")).toMatchObject({ weight: 2, preferred: "storage" });
  await registry.delete("walk");
  await functions.refresh();
  expect([...book.rules.keys()]).toEqual(["khop"]);
  await vi.waitFor(() => expect(store.writeRules).toHaveBeenCalledWith("walk", null));
  await book.read();
  expect(book.rules.get("khop")).toMatchObject({ weight: 3, preferred: "storage" });
  expect(onChange).toHaveBeenCalled();
  book.close();
});
