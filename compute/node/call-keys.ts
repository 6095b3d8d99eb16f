// The keys that a caller declares.

import { LocusError } from "#runtime/errors.ts";

/** Throws ARGS_INVALID for one that has no bytes of its own. */
export function expectText(keys: readonly string[]): void {
  const torn = keys.findIndex((key) => !key.isWellFormed());
  if (torn < 0) return;
  throw new LocusError("ARGS_INVALID", `key ${torn + 1} is no text: it has half of a surrogate pair`);
}
