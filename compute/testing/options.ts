// What a test may ask of the sandbox and of its calls. A test is run without its types, so what they would refuse is refused here.

import { LocusError } from "#runtime/errors.ts";
import { LIMITS } from "#runtime/function/description.ts";
import { didYouMean, similarNames } from "#runtime/similar-names.ts";
import { expectText } from "../node/call-keys.ts";

export interface TestSandboxOptions {
  /** Where functions read and write: `redis://`, `rediss://` or `unix://`. Where it is left out, values in memory. */
  readonly redisUrl?: string;
}

export interface TestCallOptions {
  /** The Redis keys that the caller declares. */
  readonly keys?: readonly string[];
  /** Wall clock, whole ms; the function's own limit holds in any case. */
  readonly deadlineMs?: number;
}

/** What a value must be; null where it is that. Values are not shown: a URL may hold a password. */
type Rule = (value: unknown) => string | null;
type Rules<Options> = { readonly [option in keyof Required<Options>]: Rule };

const { min, max } = LIMITS.deadlineMs;

const SANDBOX_RULES: Rules<TestSandboxOptions> = {
  redisUrl: (value) => (typeof value === "string" ? null : "text"),
};

const CALL_RULES: Rules<TestCallOptions> = {
  keys: (value) =>
    Array.isArray(value) && value.every((key) => typeof key === "string")
      ? null
      : 'a list of texts, such as ["user:2"]',
  deadlineMs: (value) =>
    Number.isInteger(value) && min <= Number(value) && Number(value) <= max
      ? null
      : `a whole number from ${min} to ${max}`,
};

/** Throws CONFIG_INVALID, with all mistakes. */
export const sandboxOptions = (options: TestSandboxOptions): TestSandboxOptions =>
  checked("openTestSandbox", options, SANDBOX_RULES);

/** Throws CONFIG_INVALID, with all mistakes, and ARGS_INVALID for a key that is no text, as a node does. */
export function callOptions(options: TestCallOptions): TestCallOptions {
  const { keys = [] } = checked("a call", options, CALL_RULES);
  expectText(keys);
  return options;
}

function checked<Options extends object>(whose: string, options: Options, rules: Rules<Options>): Options {
  const names = Object.keys(rules);
  const mistakes = isObject(options)
    ? Object.entries(options).flatMap(([name, value]) => mistakesOf(name, value, rules as Record<string, Rule>))
    : [`the options must be an object with any of ${names.join(", ")}`];
  if (mistakes.length > 0) throw new LocusError("CONFIG_INVALID", `${whose}: ${mistakes.join("; ")}`);
  return options;
}

const isObject = (options: unknown): boolean =>
  typeof options === "object" && options !== null && !Array.isArray(options) && !(options instanceof URL);

function mistakesOf(name: string, value: unknown, rules: Readonly<Record<string, Rule>>): readonly string[] {
  const names = Object.keys(rules);
  if (!Object.hasOwn(rules, name)) {
    const meant = didYouMean(similarNames(name, names));
    return [`there is no option "${name}", only ${names.join(", ")}${meant === "" ? "" : ` (${meant.trim()})`}`];
  }
  const must = value === undefined ? null : (rules[name]?.(value) ?? null);
  return must === null ? [] : [`${name} must be ${must}`];
}
