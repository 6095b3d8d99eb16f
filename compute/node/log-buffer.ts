// The last lines that functions and sandbox hosts of this node wrote, and those who follow them (`locus logs`). Bounded
// both ways: old lines make room, and a follower too many is refused.

import { LocusError } from "#runtime/errors.ts";
import type { Side } from "#runtime/profile/sample.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogLine {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  /** The function's name, or the part of locus that speaks. */
  readonly source: string;
  /** Where the function ran; null where no function speaks. */
  readonly side: Side | null;
  /** The invocation's id; null where no function speaks, or its caller has been answered already. */
  readonly invocation: string | null;
  readonly text: string;
}

export type LogFollower = (line: LogLine) => void;

/** Lines kept, at most. Chosen, not measured: an hour of a chatty function's mistakes, a few megabytes at worst. */
const LINES_MAX = 1_000;
/** Of a longer line the beginning is kept. */
const LINE_LENGTH_MAX = 4_096;
/** At once, at most. */
const FOLLOWERS_MAX = 32;

export class LogBuffer {
  readonly #lines: LogLine[] = [];
  readonly #followers = new Set<LogFollower>();
  readonly #now: () => Date;
  /** Where the next line goes once the buffer is full: it is a ring. */
  #next = 0;

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  append({ text, ...rest }: Omit<LogLine, "time">): void {
    const line = { time: this.#now().toISOString(), ...rest, text: text.slice(0, LINE_LENGTH_MAX) };
    this.#lines[this.#next] = line;
    this.#next = (this.#next + 1) % LINES_MAX;
    for (const follower of this.#followers) follower(line);
  }

  /** Oldest first; of one source where it is given. */
  lines(source: string | null): readonly LogLine[] {
    const inOrder = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return source === null ? inOrder : inOrder.filter((line) => line.source === source);
  }

  /** Tells each line from now on, until the returned function is called. Throws OVERLOADED where too many follow. */
  follow(follower: LogFollower): () => void {
    if (this.#followers.size >= FOLLOWERS_MAX) {
      throw new LocusError("OVERLOADED", `${FOLLOWERS_MAX} clients follow the log already`);
    }
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }
}
