// The last lines that functions and sandbox hosts of this node wrote, and those who follow them (`locus logs`). Bounded
// both ways: old lines make room, and a follower too many is refused.

import { LocusError } from "#runtime/errors.ts";
import type { Side } from "#runtime/profile/sample.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

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
/** While the buffer is full, who holds more makes room first: one that floods it does not wipe out what others said. */
const LINES_OF_SOURCE_MAX = LINES_MAX / 4;
/** Of a longer line the beginning is kept. */
const LINE_LENGTH_MAX = 4_096;
/** At once, at most. */
const FOLLOWERS_MAX = 32;

interface Kept {
  /** Counts all lines, of all sources. */
  readonly order: number;
  readonly line: LogLine;
}

export class LogBuffer {
  /** Oldest first; none is empty. */
  readonly #bySource = new Map<string, Kept[]>();
  #kept = 0;
  #appended = 0;
  readonly #followers = new Set<LogFollower>();
  readonly #now: () => Date;

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  append({ text, ...rest }: Omit<LogLine, "time">): void {
    const line = { time: this.#now().toISOString(), ...rest, text: text.slice(0, LINE_LENGTH_MAX) };
    if (this.#kept === LINES_MAX) this.#makeRoom();
    const kept = this.#bySource.get(line.source);
    const latest = { order: this.#appended++, line };
    if (kept === undefined) this.#bySource.set(line.source, [latest]);
    else kept.push(latest);
    this.#kept += 1;
    for (const follower of this.#followers) follower(line);
  }

  /** Oldest first; of one source where it is given. */
  lines(source: string | null): readonly LogLine[] {
    const kept = source === null ? [...this.#bySource.values()].flat() : (this.#bySource.get(source) ?? []);
    return kept.toSorted((one, other) => one.order - other.order).map(({ line }) => line);
  }

  /** Tells each line from now on, until the returned function is called. Throws OVERLOADED where too many follow. */
  follow(follower: LogFollower): () => void {
    if (this.#followers.size >= FOLLOWERS_MAX) {
      throw new LocusError("OVERLOADED", `${FOLLOWERS_MAX} clients follow the log already`);
    }
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  /** The oldest line goes of those sources that hold too many; where none does, the oldest of all. */
  #makeRoom(): void {
    const all = [...this.#bySource.values()];
    const large = all.filter((kept) => kept.length > LINES_OF_SOURCE_MAX);
    const oldest = (large.length > 0 ? large : all).reduce((one, other) =>
      orderOf(one) < orderOf(other) ? one : other,
    );
    const gone = oldest.shift();
    if (gone !== undefined && oldest.length === 0) this.#bySource.delete(gone.line.source);
    this.#kept -= 1;
  }
}

const orderOf = ([first]: readonly Kept[]): number => first?.order ?? Infinity;
