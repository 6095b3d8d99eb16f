// The program of an instance that is a process or a container: one function, on a thread of its own, called through frames on standard input,
// answered on standard output. It ends when its standard input does, so that none outlives whoever started it, and with a function that
// cannot be told to stop.

import { isMainThread, Worker } from "node:worker_threads";
import type { ErrorCode } from "#runtime/errors.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { encodeFrame, FrameReader } from "./frame.ts";
import { runThread, type ThreadCall, type ThreadMessage } from "./function-thread.ts";
import type { FromAgent, ToAgent } from "./messages.ts";

/** How long a call that has been answered already, for want of time, may go on before it costs the instance. Chosen. */
const OVERDUE_MS = 1_000;
/** A small young generation: many instances share a node. */
const YOUNG_MB_MAX = 16;

type Load = Extract<ToAgent, { readonly kind: "load" }>;
type Call = Extract<ToAgent, { readonly kind: "call" }>;

class Agent {
  #thread: Worker | undefined;
  #hasLoaded = false;
  /** Calls that have not settled, with the timer of their deadline, or of their end. */
  readonly #calls = new Map<number, NodeJS.Timeout>();
  /** Of those, the ones that were answered. */
  readonly #answered = new Set<number>();

  hear(message: ToAgent, payload: Buffer): void {
    switch (message.kind) {
      case "load":
        return this.#load(message, payload);
      case "call":
        return this.#call(message, payload);
      case "cancel":
        return this.#giveUp(message.call, "CANCELLED", "the call was cancelled");
    }
  }

  #load({ name, limits, input, output, heapMb, data }: Load, bundle: Buffer): void {
    const thread = new Worker(new URL(import.meta.url), {
      workerData: { name, bundle: Uint8Array.from(bundle), input, output, operations: limits.operations, data },
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: Math.min(YOUNG_MB_MAX, heapMb) },
      env: {},
      // What the function prints is not to be taken for frames.
      stdout: true,
    });
    thread.stdout.pipe(process.stderr, { end: false });
    thread.on("message", (message: ThreadMessage) => this.#heard(message));
    thread.on("error", (error: Error & { readonly code?: string }) => {
      const isMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
      this.#end(
        isMemory ? "MEMORY_LIMIT" : "SANDBOX_DIED",
        isMemory ? "the function needs more memory than its instance has" : error.message,
      );
    });
    thread.on("exit", () => this.#end("SANDBOX_DIED", "the function ended its thread"));
    this.#thread = thread;
  }

  #call({ call, keys, deadlineMs, logs }: Call, args: Buffer): void {
    const late = (): void =>
      this.#giveUp(call, "DEADLINE_EXCEEDED", `the call did not end within ${Math.round(deadlineMs)} ms`);
    this.#calls.set(call, setTimeout(late, deadlineMs));
    this.#thread?.postMessage({ call, keys, argsJson: args.toString(), logs } satisfies ThreadCall);
  }

  /** Answers at once; what the function does with the call has to end soon after. */
  #giveUp(call: number, code: ErrorCode, message: string): void {
    const timer = this.#calls.get(call);
    if (timer === undefined || this.#answered.has(call)) return;
    clearTimeout(timer);
    this.#answered.add(call);
    say({ kind: "failure", call, code, message, stack: "", usage: NO_USAGE, logs: [] });
    const end = (): void => this.#end("SANDBOX_DIED", "another call in the instance did not end when it had to");
    this.#calls.set(call, setTimeout(end, OVERDUE_MS));
  }

  #heard(message: ThreadMessage): void {
    switch (message.kind) {
      case "loaded":
        this.#hasLoaded = true;
        return say({ kind: "loaded" });
      case "refused":
        return say({ kind: "refused", code: "FUNCTION_INVALID", message: message.message }, undefined, () =>
          process.exit(1),
        );
      case "ended": {
        const { call, outcome, usage, logs } = message;
        clearTimeout(this.#calls.get(call));
        this.#calls.delete(call);
        if (this.#answered.delete(call)) return;
        if (outcome.ok) return say({ kind: "result", call, usage, logs }, Buffer.from(outcome.resultJson));
        const { code, message: text, stack, refusal } = outcome;
        return say({ kind: "failure", call, code, message: text, stack, refusal, usage, logs });
      }
    }
  }

  /** Answers what is in flight, and ends the process when that is written. */
  #end(code: ErrorCode, message: string): void {
    if (!this.#hasLoaded) say({ kind: "refused", code: code === "MEMORY_LIMIT" ? code : "FUNCTION_INVALID", message });
    for (const [call, timer] of this.#calls) {
      clearTimeout(timer);
      if (this.#answered.has(call)) continue;
      say({ kind: "failure", call, code, message, stack: "", usage: NO_USAGE, logs: [] });
    }
    this.#calls.clear();
    process.stdout.write("", () => process.exit(1));
  }
}

function say(message: FromAgent, payload?: Uint8Array, then?: () => void): void {
  process.stdout.write(encodeFrame(message, payload), then);
}

function runAgent(): void {
  const agent = new Agent();
  const reader = new FrameReader();
  process.stdin.on("data", (bytes: Buffer) => {
    // Whoever started this program is trusted.
    for (const { header, payload } of reader.push(bytes)) agent.hear(header as ToAgent, payload);
  });
  process.stdin.on("end", endAll);
  process.stdout.on("error", endAll);
}

/** With what the function has started, where this process leads a group. */
function endAll(): void {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    process.exit(0);
  }
}

if (isMainThread) runAgent();
else await runThread();
