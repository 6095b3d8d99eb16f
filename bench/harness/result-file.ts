// The file of `--json`: what takes minutes to measure is not lost because nobody could write it in the end.

import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";

/** Leaves no trace. Throws TypeError where `writeResult` could not write. */
export function checkResultFile(path: string): void {
  const isNew = !existsSync(path);
  try {
    closeSync(openSync(path, "a"));
  } catch (cause) {
    throw new TypeError(`--json is "${path}", which cannot be written: ${(cause as Error).message}`, { cause });
  }
  if (isNew) rmSync(path);
}

export function writeResult(path: string, result: object): void {
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}
