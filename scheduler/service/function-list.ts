// The functions that an API server of ours offers, from a file: a list in JSON, its fields named as the 2020 contest's messages name them.

import { readFileSync } from "node:fs";
import { LocusError } from "#runtime/errors.ts";
import { nameIn } from "../grpc/field.ts";
import { termsIn } from "../grpc/scheduler-service.ts";
import type { DoorOptions, ListedFunction } from "./function-door.ts";

/** Chosen. */
const FUNCTIONS_MAX = 100_000;

/** Throws CONFIG_INVALID: the file cannot be read, an entry (counted from 1) makes no sense, or two have one name. */
export function readFunctionList(file: string): DoorOptions["functions"] {
  const byName = new Map<string, ListedFunction>();
  for (const [index, entry] of entriesOf(file).entries()) {
    try {
      const listed = functionOf(entry);
      if (byName.has(listed.functionName)) throw new Error(`there is a function ${listed.functionName} already`);
      byName.set(listed.functionName, listed);
    } catch (cause) {
      throw new LocusError(
        "CONFIG_INVALID",
        `LOCUS_FUNCTIONS_FILE: ${file}: entry ${index + 1}: ${(cause as Error).message}`,
        { cause },
      );
    }
  }
  const all = [...byName.values()];
  return { get: (name) => byName.get(name), list: () => all };
}

function entriesOf(file: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!Array.isArray(list)) throw new Error("it holds no list");
    if (list.length > FUNCTIONS_MAX) throw new Error(`${list.length} functions, at most ${FUNCTIONS_MAX} are allowed`);
    return list;
  } catch (cause) {
    throw new LocusError("CONFIG_INVALID", `LOCUS_FUNCTIONS_FILE: ${file}: ${(cause as Error).message}`, { cause });
  }
}

function functionOf(entry: unknown): ListedFunction {
  if (typeof entry !== "object" || entry === null) throw new Error("it is no object");
  const { function_name, timeout_in_ms, memory_in_bytes, handler = "", ...others } = entry as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`there is no field ${unknown}`);
  // What is no number is refused where its range is looked at.
  const terms = {
    timeout_in_ms: timeout_in_ms as number,
    memory_in_bytes: memory_in_bytes as number,
    handler: textOf(handler, "handler"),
  };
  const functionName = nameIn(textOf(function_name, "function_name"), "function_name");
  return { functionName, ...termsIn(terms, functionName) };
}

function textOf(value: unknown, field: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${field} is no text`);
}
