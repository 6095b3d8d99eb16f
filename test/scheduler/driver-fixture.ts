// Functions for the drivers' tests, as images that any driver takes.

import { readDescription } from "#runtime/function/describe.ts";
import { LIMITS, type Limits } from "#runtime/function/description.ts";
import type { Invocation } from "#runtime/function/define.ts";
import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";
import type { InstanceCall } from "#scheduler/driver/driver.ts";
import { createHash } from "node:crypto";
import { PATIENT } from "../patient-limits.ts";
import { bundleOf } from "../sides.ts";

const DEFAULTS = Object.fromEntries(Object.entries(LIMITS).map(([name, range]) => [name, range.default]));

/** Of a bundle as `bundleOf` makes it: nobody has to load it to know it. */
export function imageOf<Args>(
  run: (invocation: Invocation<Args>) => unknown,
  options: { readonly limits?: Partial<Limits>; readonly before?: string; readonly input?: object } = {},
): FunctionImage {
  return imageOfBundle(bundleOf(run, options), options);
}

export function imageOfBundle(
  source: string,
  { limits = {}, input = null }: { readonly limits?: Partial<Limits>; readonly input?: object | null } = {},
): FunctionImage {
  const bundle = Buffer.from(source);
  const version = createHash("sha256").update(bundle).digest("hex").slice(0, 16);
  const name = /name: "([\w-]+)"/.exec(source)?.[1] ?? "nameless";
  const description = {
    name,
    version,
    side: null,
    limits: { ...DEFAULTS, ...PATIENT, ...limits },
    input,
    output: null,
  };
  return { description: readDescription(JSON.stringify(description)), bundle };
}

export const callOf = (args: unknown = null, rest: Partial<InstanceCall> = {}): InstanceCall => ({
  keys: [],
  argsJson: JSON.stringify(args),
  deadlineMs: 20_000,
  logs: false,
  ...rest,
});

export const codeOf = (outcome: Outcome): string => (outcome.ok ? `ok ${outcome.resultJson}` : outcome.error.code);
