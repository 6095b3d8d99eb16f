// The process log of a node: JSON lines on stdout. Whoever reads it may go away or fall behind; the node goes on without
// them. (pino's own destination waits for ever, at exit, for a reader that is gone.)

import { writeSync } from "node:fs";

import { pino, type Level, type Logger } from "pino";

const STDOUT = 1;

/** `write` puts bytes somewhere and returns how many it took; a throw loses what is left of the line. */
export const openProcessLog = (
  level: Level | "silent",
  write: (bytes: Uint8Array) => number = (bytes) => writeSync(STDOUT, bytes),
): Logger =>
  pino(
    { level, base: null },
    {
      write: (line: string) => {
        let left: Uint8Array = Buffer.from(line);
        try {
          while (left.length > 0) left = left.subarray(write(left));
        } catch {
          // EPIPE: nobody reads. EAGAIN: the reader is behind by a whole pipe.
        }
      },
    },
  );
