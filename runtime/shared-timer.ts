// What a process does again and again, all of it on one timer: an idle process wakes once for what falls together, and what it asks Redis then goes
// there together. Who waits for something of its own, or must not be late, has a timer of its own.

/** Periods are multiples of it. */
const TICK_MS = 500;

export interface Repeated {
  /** Idempotent. */
  stop(): void;
}

interface Entry {
  readonly ticks: number;
  readonly act: () => void;
}

const entries = new Set<Entry>();
let timer: NodeJS.Timeout | null = null;
let tick = 0;

/**
 * Calls `act` every `periodMs`, a multiple of half a second, and for the first time within that: all that have one period are called together. Keeps no
 * process alive. `act` does not throw.
 */
export function every(periodMs: number, act: () => void): Repeated {
  const entry = { ticks: periodMs / TICK_MS, act };
  if (!Number.isInteger(entry.ticks)) throw new RangeError(`${periodMs} ms is no multiple of ${TICK_MS} ms`);
  entries.add(entry);
  timer ??= setInterval(turn, TICK_MS).unref();
  return { stop: () => stop(entry) };
}

function stop(entry: Entry): void {
  if (!entries.delete(entry) || entries.size > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
  tick = 0;
}

function turn(): void {
  tick += 1;
  // Who is stopped meanwhile is called no more, and who comes meanwhile waits for the next.
  const due = [...entries].filter(({ ticks }) => tick % ticks === 0);
  for (const entry of due) if (entries.has(entry)) entry.act();
}
