// What locus knows about a deployed function without running it: read from its definition when the bundle is checked,
// kept in the registry, shown by `locus show`, and obeyed by the supervisor.

import type { Side } from "#runtime/profile/sample.ts";

/** A function's own limits; each has a default and an upper bound (`LIMITS`). */
export interface Limits {
  /** Wall clock of one invocation, ms. */
  readonly deadlineMs: number;
  /** CPU time of one invocation, ms. */
  readonly cpuMs: number;
  /** Heap of its isolate, array buffers included, MiB. */
  readonly memoryMb: number;
  /** Redis commands in one invocation. */
  readonly operations: number;
  /** Invocations at once in one isolate. */
  readonly concurrency: number;
}

interface LimitRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** Chosen, not measured: generous for a data function, small enough that one function cannot take a node. */
export const LIMITS: { readonly [name in keyof Limits]: LimitRange } = {
  deadlineMs: { default: 5_000, min: 1, max: 300_000 },
  cpuMs: { default: 5_000, min: 1, max: 300_000 },
  memoryMb: { default: 64, min: 8, max: 1_024 },
  operations: { default: 1_000_000, min: 1, max: 10_000_000 },
  concurrency: { default: 32, min: 1, max: 256 },
};

/** Bytes of a bundle's code, at most. */
export const CODE_BYTES_MAX = 1024 * 1024;
/** Bytes of a bundle, its source map included, at most. */
export const BUNDLE_BYTES_MAX = 3 * 1024 * 1024;
/** Bytes of `args` and `keys` of one invocation together, at most. */
export const ARGS_BYTES_MAX = 1024 * 1024;
/** Bytes of a result (JSON), at most. */
export const RESULT_BYTES_MAX = 4 * 1024 * 1024;

/** A function's name: what stands in URLs and after LOCUS.CALL. */
export const NAME_PATTERN = /^[a-z][a-z0-9_-]{0,63}$/;

export interface FunctionDescription {
  readonly name: string;
  /** First 16 hex digits of the SHA-256 of the bundle. */
  readonly version: string;
  /** Where the author has calls run that ask for no side, until placement has a plan for them. */
  readonly side: Side | null;
  readonly limits: Limits;
  /** JSON Schema of `args`, where declared. */
  readonly input: unknown;
  /** JSON Schema of the result, where declared. */
  readonly output: unknown;
}
