import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readFunctionList } from "./function-list.ts";

const folder = mkdtempSync(join(tmpdir(), "locus-functions-"));
afterAll(() => rmSync(folder, { recursive: true }));

function listOf(text: string) {
  const file = join(folder, "functions.json");
  writeFileSync(file, text);
  return readFunctionList(file);
}
const entry = { function_name: "hello", timeout_in_ms: 60_000, memory_in_bytes: 2 ** 29, handler: "index.handler" };
const hello = { functionName: "hello", timeoutMs: 60_000, memoryBytes: 2 ** 29, handler: "index.handler" };

it("holds functions by their names, with the terms of each", () => {
  const functions = listOf(JSON.stringify([entry, { ...entry, function_name: "other", handler: undefined }]));
  expect(functions.get("hello")).toEqual(hello);
  expect(functions.get("absent")).toBeUndefined();
  expect(functions.list()).toEqual([hello, { ...hello, functionName: "other", handler: "" }]);
});

it.each([
  ["[", "JSON"],
  ["{}", "it holds no list"],
  ['["hello"]', "entry 1: it is no object"],
  [JSON.stringify([{ ...entry, function_name: 1 }]), "entry 1: function_name is no text"],
  [JSON.stringify([{ ...entry, function_name: "" }]), "entry 1: function_name is missing"],
  [JSON.stringify([entry, { ...entry, memory: 1 }]), "entry 2: there is no field memory"],
  [JSON.stringify([{ ...entry, memory_in_bytes: "512" }]), "hello.memory_in_bytes is 512"],
  [JSON.stringify([{ ...entry, timeout_in_ms: undefined }]), "hello.timeout_in_ms is undefined"],
  [JSON.stringify([entry, entry]), "entry 2: there is a function hello already"],
])("refuses %s, and says where", (text, why) => {
  expect(() => listOf(text)).toThrow(why);
});

it("says which file cannot be read", () => {
  expect(() => readFunctionList("/nowhere/functions.json")).toThrow(
    "LOCUS_FUNCTIONS_FILE: /nowhere/functions.json: ENOENT",
  );
});
