// What an agent prints, as lines for the log. A function may print without end, and never end a line: no more of one is held than is told.

import type { Readable } from "node:stream";
import { heardLine } from "./agent/line-break.ts";

/** Characters of a line; what is more is dropped. */
export const LINE_LENGTH_MAX = 4_096;

export class PrintedLines {
  readonly #say: (line: string) => void;
  /** Of a line whose end has not come. */
  #begun = "";
  /** It was longer than a line may be, and has been told. */
  #isTold = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  push(text: string): void {
    let at = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
      this.#add(text, at, end);
      this.#endLine();
      at = end + 1;
    }
    this.#add(text, at, text.length);
  }

  /** Nothing more comes: a line that has begun is one. */
  end(): void {
    if (this.#begun !== "") this.#endLine();
  }

  #add(text: string, from: number, to: number): void {
    if (this.#isTold) return;
    const room = LINE_LENGTH_MAX - this.#begun.length;
    this.#begun += text.slice(from, Math.min(to, from + room));
    if (to - from <= room) return;
    this.#say(this.#begun);
    this.#begun = "";
    this.#isTold = true;
  }

  #endLine(): void {
    if (!this.#isTold) this.#say(this.#begun.endsWith("\r") ? this.#begun.slice(0, -1) : this.#begun);
    this.#begun = "";
    this.#isTold = false;
  }
}

export function tellLines(stream: Readable, say: (line: string) => void): void {
  const lines = new PrintedLines((line) => say(heardLine(line)));
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => lines.push(text));
  stream.on("end", () => lines.end());
  // A broken pipe is an agent that ended.
  stream.on("error", () => {});
}
