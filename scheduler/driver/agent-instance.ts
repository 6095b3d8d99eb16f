// One instance that is an agent in a process or a container, as its driver sees it: loads the function, hands calls over, and ends an agent
// that hangs, or says what no agent says.

import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { LocusError } from "#runtime/errors.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { encodeFrame, FrameReader } from "./agent/frame.ts";
import { fromAgent, type FromAgent, type ToAgent } from "./agent/messages.ts";
import type { InstanceCall, InstanceSpec, InstanceUse } from "./driver.ts";
import { inTime } from "./in-time.ts";
import { failure } from "./instance-bounds.ts";

/** How an agent ended. */
export interface AgentEnd {
  /** For a sentence: "with exit code 1". */
  readonly how: string;
  /** It was killed because it passed its memory. */
  readonly lackedMemory: boolean;
}

/** An agent that runs, whatever it runs in. */
export interface AgentProcess {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when nothing is left of it. */
  readonly ended: Promise<AgentEnd>;
  /** At once. Idempotent: nothing is done where it has ended, or is being killed. */
  kill(): void;
  /** Whether the limit holds now. */
  limit(cpus: number): Promise<boolean>;
  resize(memoryBytes: number): Promise<boolean>;
  /** null where it is gone, or does not tell. */
  use(): Promise<InstanceUse | null>;
}

/** Starts agents: the part that differs between processes and containers. */
export interface AgentLauncher {
  /** Rejects with INSTANCE_FAILED; nothing is left of it then. `signal` is looked at before and after. */
  launch(spec: InstanceSpec): Promise<AgentProcess>;
  /** What the agents' data come from. */
  readonly data: RedisSource | null;
  close(): Promise<void>;
}

/** Node starts and loads a bundle in a tenth of a second, in a loaded container in some. */
const LOAD_TIMEOUT_MS = 30_000;
/** The agent answers at the deadline; one that has not by so much later hangs. */
const HANG_MS = 2_000;
/** One that was told to end is waited for no longer than this. A kill takes milliseconds, through an engine under load some seconds. Chosen. */
export const END_MS = 20_000;
/** What Node needs beside the function's heap: an empty function was seen with 25 MiB of its own at first, 37 after some thousand calls. */
export const AGENT_OWN_BYTES = 56 * 1024 * 1024;
const HEAP_BYTES_MIN = 8 * 1024 * 1024;
/** An instance with less cannot live. */
export const AGENT_MEMORY_BYTES_MIN = AGENT_OWN_BYTES + HEAP_BYTES_MIN;

interface Waiting {
  readonly settle: (outcome: Outcome) => void;
  readonly hang: NodeJS.Timeout;
}

export class AgentInstance {
  readonly agent: AgentProcess;
  /** Resolves with why. */
  readonly ended: Promise<string>;
  readonly #id: string;
  readonly #calls = new Map<number, Waiting>();
  readonly #loaded = Promise.withResolvers<void>();
  #serial = 0;
  /** Calls that ask whether they may write. */
  #asking = 0;
  #fault: string | null = null;
  /** What calls come to since it has ended. */
  #end: Outcome | null = null;

  constructor(id: string, agent: AgentProcess) {
    this.#id = id;
    this.agent = agent;
    this.#loaded.promise.catch(() => {}); // told to `load`
    // A broken pipe is an agent that ended.
    agent.input.on("error", () => {});
    void this.#listen();
    this.ended = agent.ended.then((end) => this.#onEnd(end));
  }

  /** Those that have not begun yet are of these. */
  get inFlight(): number {
    return this.#calls.size + this.#asking;
  }

  /** Rejects with FUNCTION_INVALID, MEMORY_LIMIT, INSTANCE_FAILED, CANCELLED; it ends then. */
  async load({ image, memoryBytes }: InstanceSpec, data: RedisSource | null, signal?: AbortSignal): Promise<void> {
    const { name, limits, input, output } = image.description;
    const heapMb = Math.floor((memoryBytes - AGENT_OWN_BYTES) / 2 ** 20);
    this.#say({ kind: "load", name, limits, input, output, heapMb, data }, image.bundle);
    const late = AbortSignal.timeout(LOAD_TIMEOUT_MS);
    const either = signal === undefined ? late : AbortSignal.any([late, signal]);
    const onAbort = (): void => {
      const isLate = late.aborted;
      this.#loaded.reject(
        isLate
          ? new LocusError("INSTANCE_FAILED", `instance ${this.#id} did not load ${name} within ${LOAD_TIMEOUT_MS} ms`)
          : new LocusError("CANCELLED", `instance ${this.#id}: nobody waits for it any more`),
      );
    };
    either.addEventListener("abort", onAbort);
    if (either.aborted) onAbort();
    try {
      await this.#loaded.promise;
    } catch (error) {
      await this.stop("it did not load");
      throw error;
    } finally {
      either.removeEventListener("abort", onAbort);
    }
  }

  /** Its operations are the function's own business: whether a call writes cannot be seen from here, so it is asked before it begins. */
  async invoke(call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const { mayWrite } = call;
    if (mayWrite !== undefined) {
      this.#asking++;
      try {
        if (!(await mayWrite())) return failure("CANCELLED", "the call was not to write");
      } finally {
        this.#asking--;
      }
      if (signal?.aborted) return failure("CANCELLED", "the call was cancelled before it began");
    }
    return this.#end ?? this.#run(call, signal);
  }

  #run({ keys, argsJson, deadlineMs, logs }: InstanceCall, signal: AbortSignal | undefined): Promise<Outcome> {
    const call = ++this.#serial;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const onAbort = (): void => this.#say({ kind: "cancel", call });
    const hang = setTimeout(
      () => this.#kill(`a call did not end within ${Math.round(deadlineMs)} ms, and could not be told to`),
      deadlineMs + HANG_MS,
    );
    const settle = (outcome: Outcome): void => {
      clearTimeout(hang);
      signal?.removeEventListener("abort", onAbort);
      this.#calls.delete(call);
      resolve(outcome);
    };
    this.#calls.set(call, { settle, hang });
    this.#say({ kind: "call", call, keys, deadlineMs, logs }, Buffer.from(argsJson));
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** Whether nothing is left of it, in time; else it ends when it can. */
  stop(why: string): Promise<boolean> {
    this.#kill(why);
    return inTime(this.ended, END_MS);
  }

  #kill(why: string): void {
    this.#fault ??= why;
    this.agent.kill();
  }

  #say(message: ToAgent, payload?: Uint8Array): void {
    if (this.agent.input.writable) this.agent.input.write(encodeFrame(message, payload));
  }

  async #listen(): Promise<void> {
    const reader = new FrameReader();
    try {
      for await (const bytes of this.agent.output) {
        for (const frame of reader.push(bytes as Buffer)) {
          const message = fromAgent(frame);
          if (message === null) throw new Error("it said what is no message");
          this.#heard(message, frame.payload);
        }
      }
    } catch (error) {
      // Nobody reads any more what it says: it has ended, and how is told by that.
      if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") return;
      this.#kill((error as Error).message);
    }
  }

  #heard(message: FromAgent, payload: Buffer): void {
    switch (message.kind) {
      case "loaded":
        return this.#loaded.resolve();
      case "refused":
        return this.#loaded.reject(new LocusError(message.code, message.message));
      case "result": {
        const { call, usage, logs } = message;
        return this.#calls.get(call)?.settle({ ok: true, resultJson: payload.toString(), usage, logs });
      }
      case "failure": {
        const { call, code, message: text, stack, refusal, usage, logs } = message;
        return this.#calls
          .get(call)
          ?.settle({ ok: false, error: { code, message: text, stack, refusal }, usage, logs });
      }
    }
  }

  async #onEnd({ how, lackedMemory }: AgentEnd): Promise<string> {
    // What it said last comes before its end.
    if (!this.agent.output.readableEnded && !this.agent.output.destroyed) {
      await once(this.agent.output, "close").catch(() => {});
    }
    const why = this.#fault ?? (lackedMemory ? "it passed its memory" : `it ended ${how}`);
    const code = lackedMemory ? "MEMORY_LIMIT" : "SANDBOX_DIED";
    this.#loaded.reject(new LocusError(lackedMemory ? code : "INSTANCE_FAILED", `instance ${this.#id}: ${why}`));
    for (const { settle } of this.#calls.values())
      settle(failure(code, `instance ${this.#id} ended while the call ran: ${why}`));
    this.#end = failure(code, `instance ${this.#id} ended before the call began: ${why}`);
    return why;
  }
}
