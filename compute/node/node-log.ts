// Where lines go that functions and sandbox hosts write: to the process log, as many as it takes of each, and to the buffer that
// `locus logs` reads.

import type { Logger } from "pino";

import { BoundedLines } from "#runtime/bounded-lines.ts";
import type { Sample, Side } from "#runtime/profile/sample.ts";
import type { HostLine } from "#runtime/sandbox/supervisor.ts";
import type { CallObserver } from "./invoke.ts";
import { LOG_LEVELS, type LogBuffer, type LogLine } from "./log-buffer.ts";

export class NodeLog implements CallObserver {
  readonly #process: Logger;
  readonly #buffer: LogBuffer;
  readonly #ofFunctions: BoundedLines;
  /** Apart: a function that says too much hides nothing of what is the matter. */
  readonly #ofHosts: BoundedLines;

  constructor(process: Logger, buffer: LogBuffer, nowMs: () => number = () => performance.now()) {
    this.#process = process;
    this.#buffer = buffer;
    const bounded = (whose: string): BoundedLines =>
      new BoundedLines((count) => process.warn(`${count} more lines of ${whose} were dropped`), nowMs);
    this.#ofFunctions = bounded("functions");
    this.#ofHosts = bounded("sandbox hosts");
  }

  /** From this machine's hosts, as it is written. Where locus itself speaks of them, something is the matter. */
  heard({ source, text, invocation }: HostLine): void {
    if (invocation !== undefined) this.#guestLine(source, "compute", invocation, text);
    else this.#line(this.#ofHosts, { level: "warn", source, side: null, invocation: null, text });
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
    const said = level === undefined ? text : text.slice(level.length + 2);
    this.#line(this.#ofFunctions, { level: level ?? "info", source, side, invocation, text: said });
  }

  #line(lines: BoundedLines, line: Omit<LogLine, "time">): void {
    const { level, source, side, invocation, text } = line;
    const from = { source, ...(side === null ? {} : { side }), ...(invocation === null ? {} : { invocation }) };
    // What its level keeps out takes no other line's place.
    if (this.#process.isLevelEnabled(level)) lines.write(() => this.#process[level](from, text));
    this.#buffer.append(line);
  }
}
