// The obvious side: functions that are plain JavaScript in this process, by name. For tests of what stands in front of
// a sandbox; it knows no data and enforces nothing but cancels.

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { refusalOf } from "#runtime/sandbox/refusal.guest.ts";
import type { AdmittedCall, SideReply, SideRunner } from "./side-runner.ts";

interface MemoryContext {
  readonly args: unknown;
  readonly keys: readonly string[];
  readonly log: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

export type MemoryFunction = (context: MemoryContext) => unknown;

export class MemorySide implements SideRunner {
  readonly #functions: Readonly<Record<string, MemoryFunction>>;

  constructor(functions: Readonly<Record<string, MemoryFunction>>) {
    this.#functions = functions;
  }

  async run({ call, description }: AdmittedCall, signal?: AbortSignal): Promise<SideReply> {
    const { version } = description;
    const logs: string[] = [];
    const usage = NO_USAGE;
    const fail = (code: ErrorCode, message: string, stack = ""): SideReply => {
      return { version, outcome: { ok: false, error: { code, message, stack }, usage, logs } };
    };
    const body = this.#functions[call.function];
    if (body === undefined) throw new LocusError("INTERNAL", `no body for "${call.function}"`);
    let args: unknown;
    try {
      args = JSON.parse(call.argsJson);
    } catch (error) {
      return fail("ARGS_INVALID", (error as Error).message);
    }
    try {
      const result = await body({ args, keys: call.keys, log: (line) => void logs.push(line), signal });
      if (signal?.aborted === true) return fail("CANCELLED", "cancelled by its caller");
      return { version, outcome: { ok: true, resultJson: JSON.stringify(result ?? null), usage, logs } };
    } catch (error) {
      const { message, stack } = error as Error;
      const refusal = refusalOf(error);
      if (refusal !== undefined) {
        return {
          version,
          outcome: { ok: false, error: { code: "CALL_REFUSED", message, stack: "", refusal }, usage, logs },
        };
      }
      return fail(error instanceof LocusError ? error.code : "FUNCTION_FAILED", message, stack);
    }
  }
}
