// One line of a batch: what a client writes, `{"args": …, "keys": […]}` with both members optional, and what it reads
// back, `{"result": …}` or `{"error": …}`.

import { ERRORS, type ErrorCode } from "#runtime/errors.ts";
import type { Reply } from "../node/invoker.ts";
import type { Line } from "./ndjson.ts";

/** What the client asked to be told of each call beside its result. */
export interface LineWishes {
  readonly usage: boolean;
  readonly logs: boolean;
}

export type ParsedLine =
  | { readonly ok: true; readonly argsJson: string; readonly keys: readonly string[] }
  | { readonly ok: false; readonly message: string };

const NO_KEYS: readonly string[] = [];

export const parseBatchLine = (line: Line): ParsedLine => {
  if ("fault" in line) return refused(`the line ${line.fault}`);
  try {
    return callOf(JSON.parse(line.text));
  } catch (error) {
    // A million brackets parse and do not print: that is a RangeError, and the line's own fault as well.
    return refused(`the line is no JSON that can be passed on: ${(error as Error).message}`);
  }
};

export const replyLine = (reply: Reply, wishes: LineWishes): string => {
  const outcome = reply.ok
    ? `"result":${reply.resultJson}`
    : `"error":${errorJson(reply.error.code, reply.error.message, reply.error.stack)}`;
  const { side, reason, version, id: invocation, elapsedUs, usage } = reply;
  const facts = wishes.usage ? `,${inner({ side, reason, version, invocation, elapsedUs, usage })}` : "";
  const logs = wishes.logs ? `,${inner({ logs: reply.logs })}` : "";
  return `{${outcome}${facts}${logs}}\n`;
};

export const errorLine = (code: ErrorCode, message: string): string => `{"error":${errorJson(code, message, "")}}\n`;

const callOf = (value: unknown): ParsedLine => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refused('the line is no object of the form {"args": …, "keys": […]}');
  }
  const { args = null, keys = NO_KEYS, ...others } = value as Record<string, unknown>;
  for (const name in others) return refused(`the line has a member "${name}"; args and keys are known`);
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string")) {
    return refused("the line's keys are no array of strings");
  }
  return { ok: true, argsJson: JSON.stringify(args), keys };
};

const refused = (message: string): ParsedLine => ({ ok: false, message });

const errorJson = (code: ErrorCode, message: string, stack: string): string =>
  JSON.stringify({ code, message, retry: ERRORS[code].retry, ...(stack === "" ? {} : { stack }) });

/** An object's members without its braces. */
const inner = (members: object): string => JSON.stringify(members).slice(1, -1);
