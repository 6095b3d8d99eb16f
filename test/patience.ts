// How long a test waits for a condition unless it says otherwise: vitest's own second is a quiet machine's. Where the condition comes true it
// costs nothing. vitest loads this before each file of tests; `expect.poll` takes the same from vitest.config.ts.

import { inject, vi } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    readonly conditionTimeoutMs: number;
  }
}

type Options = Parameters<typeof vi.waitFor>[1];

const patient = (options: Options): Options =>
  typeof options === "number" ? options : { timeout: inject("conditionTimeoutMs"), ...options };

/** Files that share a process share `vi`: those before this one have made it patient. */
const PATIENT = Symbol.for("locus.test.patient");
const shared = vi as typeof vi & { [PATIENT]?: true };
if (shared[PATIENT] === undefined) {
  shared[PATIENT] = true;
  const { waitFor, waitUntil } = vi;
  vi.waitFor = (condition, options) => waitFor(condition, patient(options));
  vi.waitUntil = (condition, options) => waitUntil(condition, patient(options));
}
