// Where lines go that functions and sandbox hosts write: to the process log, and to the buffer that `locus logs` reads.

import type { Logger } from "pino";

import type { Sample } from "#runtime/profile/sample.ts";
import type { CallObserver } from "./invoke.ts";
import type { LogBuffer } from "./log-buffer.ts";

export class NodeLog implements CallObserver {
  readonly #process: Pick<Logger, "info">;
  readonly #buffer: LogBuffer;

  constructor(process: Pick<Logger, "info">, buffer: LogBuffer) {
    this.#process = process;
    this.#buffer = buffer;
  }

  /** `source`: the function's name, or the part of locus that speaks. */
  line(source: string, text: string): void {
    this.#process.info({ source }, text);
    this.#buffer.append(source, text);
  }

  /** This machine's hosts tell their lines as they are written; those of the storage side come with the reply. */
  ran(sample: Sample, _elapsedUs: number, logs: readonly string[]): void {
    if (sample.side !== "storage") return;
    for (const text of logs) this.line(sample.function, text);
  }

  refused(): void {}
}
