// What a driver and the agent in an instance say to each other: the headers of frames. Each end reads the other's with the function here,
// which lets nothing through that is not of this shape.

import { isErrorCode, type ErrorCode } from "#runtime/errors.ts";
import type { Limits } from "#runtime/function/description.ts";
import { NO_USAGE, type Usage } from "#runtime/profile/sample.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import type { Frame } from "./frame.ts";

export type ToAgent =
  /** First and once. The payload is the bundle. */
  | {
      readonly kind: "load";
      readonly name: string;
      readonly limits: Limits;
      readonly input: unknown;
      readonly output: unknown;
      /** Of the function's own thread, MiB. */
      readonly heapMb: number;
      /** null: operations are refused. */
      readonly data: RedisSource | null;
    }
  /** The payload is the args. */
  | {
      readonly kind: "call";
      readonly call: number;
      readonly keys: readonly string[];
      readonly deadlineMs: number;
      readonly logs: boolean;
    }
  | { readonly kind: "cancel"; readonly call: number };

export type FromAgent =
  | { readonly kind: "loaded" }
  /** It ends then. */
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string }
  /** The payload is the result. */
  | { readonly kind: "result"; readonly call: number; readonly usage: Usage; readonly logs: readonly string[] }
  | {
      readonly kind: "failure";
      readonly call: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly stack: string;
      /** As in `GuestError`. */
      readonly refusal?: string | undefined;
      readonly usage: Usage;
      readonly logs: readonly string[];
    };

/** Of a message or a stack that an agent tells; what is longer is cut. */
const TEXT_LENGTH_MAX = 64 * 1024;
/** Lines of a call's log. */
const LOG_LINES_MAX = 10_000;
const USAGE_FIELDS = Object.keys(NO_USAGE) as readonly (keyof Usage)[];

/** An agent may be the function's own words by now: null for what is no message. */
export function fromAgent({ header }: Frame): FromAgent | null {
  if (typeof header !== "object" || header === null) return null;
  const { kind, call, code, message, stack, refusal, usage, logs } = header as Readonly<Record<string, unknown>>;
  if (kind === "loaded") return { kind };
  if (kind === "refused") return { kind, code: codeOf(code), message: textOf(message) };
  if ((kind !== "result" && kind !== "failure") || typeof call !== "number") return null;
  const ended = { call, usage: usageOf(usage), logs: linesOf(logs) };
  if (kind === "result") return { kind, ...ended };
  const refused = typeof refusal === "string" ? { refusal: textOf(refusal) } : {};
  return { kind, ...ended, code: codeOf(code), message: textOf(message), stack: textOf(stack), ...refused };
}

const codeOf = (value: unknown): ErrorCode => (typeof value === "string" && isErrorCode(value) ? value : "INTERNAL");

const textOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, TEXT_LENGTH_MAX) : "");

const linesOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.slice(0, LOG_LINES_MAX).map(textOf) : [];

function usageOf(value: unknown): Usage {
  const given = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const numbers = USAGE_FIELDS.map((name) => [name, Number.isFinite(given[name]) ? Number(given[name]) : 0] as const);
  return Object.fromEntries(numbers) as unknown as Usage;
}
