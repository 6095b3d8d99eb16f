// Where lines go that functions and sandbox hosts write: to the process log, and to the buffer that `locus logs` reads.

import type { Logger } from "pino";

import type { Sample, Side } from "#runtime/profile/sample.ts";
import type { HostLine } from "#runtime/sandbox/supervisor.ts";
import type { CallObserver } from "./invoke.ts";
import { LOG_LEVELS, type LogBuffer, type LogLevel } from "./log-buffer.ts";

export class NodeLog implements CallObserver {
  readonly #process: Pick<Logger, LogLevel>;
  readonly #buffer: LogBuffer;

  constructor(process: Pick<Logger, LogLevel>, buffer: LogBuffer) {
    this.#process = process;
    this.#buffer = buffer;
  }

  /** From this machine's hosts, as it is written. Where locus itself speaks of them, something is the matter. */
  heard({ source, text, invocation }: HostLine): void {
    if (invocation === undefined) this.#line("warn", source, null, null, text);
    else this.#guestLine(source, "compute", invocation, text);
  }

  /** From an instance that is no isolate: nobody there says of which call it is. */
  heardInstance({ source, text }: HostLine): void {
    this.#guestLine(source, "compute", null, text);
  }

  /** The storage side's lines come with the reply. */
  ran(sample: Sample, _elapsedUs: number, logs: readonly string[], id: string): void {
    if (sample.side !== "storage") return;
    for (const text of logs) this.#guestLine(sample.function, "storage", id, text);
  }

  /** The run that follows says its lines again. */
  pushedBack(): void {}

  refused(): void {}

  /** The prelude (runtime/sandbox/prelude.guest.ts) writes the level before the text, but for `info`. */
  #guestLine(source: string, side: Side, invocation: string | null, text: string): void {
    const level = LOG_LEVELS.find((one) => text.startsWith(`${one}: `));
    if (level === undefined) this.#line("info", source, side, invocation, text);
    else this.#line(level, source, side, invocation, text.slice(level.length + 2));
  }

  #line(level: LogLevel, source: string, side: Side | null, invocation: string | null, text: string): void {
    const from = { source, ...(side === null ? {} : { side }), ...(invocation === null ? {} : { invocation }) };
    this.#process[level](from, text);
    this.#buffer.append({ level, source, side, invocation, text });
  }
}
