// What a scheduler has learned, beyond its own life: read when it starts, and kept as JSON every few seconds by whatever holds a text: Redis where a
// node schedules, a file where a process apart does.

import { every, type Repeated } from "#runtime/shared-timer.ts";
import type { SavedScheduler } from "../scheduler.ts";

/** What comes after the last time is lost with a scheduler that is killed, and learned again. */
const SAVE_MS = 5_000;
/** And so much of what is not to be learned again. Chosen: what comes at once is written once. */
const SOON_MS = 100;
/** More is neither kept nor read: of functions those are left out that were called the longest ago. Some hundred bytes for each. */
export const STATE_BYTES_MAX = 4 * 1024 * 1024;
/** Saving is not waited for any longer when the scheduler ends. */
const LAST_SAVE_MS = 500;

/** JSON. */
export interface SavedState extends SavedScheduler {
  /** What a program has beside its scheduler: its own to read. */
  readonly world?: unknown;
}

/** Holds one text, as it was written last or as it was before. */
export interface StateStore {
  /** null: there is none. Of one that is longer than STATE_BYTES_MAX as much as shows that. */
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

export class SchedulerState {
  readonly #store: StateStore | null;
  readonly #tell: (reason: string) => void;
  readonly #saved: SavedState | null;
  #save: (() => SavedState) | null = null;
  #savings: Repeated | null = null;
  #soon: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  /** What was last told of keeping it, so that it is told once. */
  #told = "";

  private constructor(store: StateStore | null, tell: (reason: string) => void, saved: SavedState | null) {
    this.#store = store;
    this.#tell = tell;
    this.#saved = saved;
  }

  /** `store` null: nothing is kept. `tell`: what stands in the way later, which holds nothing up. Rejects as `read` does. */
  static async open(store: StateStore | null, tell: (reason: string) => void): Promise<SchedulerState> {
    const text = (await store?.read()) ?? null;
    try {
      return new SchedulerState(store, tell, text === null ? null : savedIn(text));
    } catch (error) {
      tell(unreadable(error));
      return new SchedulerState(store, tell, null);
    }
  }

  /** What `make` makes of what was saved; of nothing where it cannot: it is of another release, or anybody has written it. */
  restored<Made>(make: (saved: SavedState | null) => Made): Made {
    try {
      return make(this.#saved);
    } catch (error) {
      if (this.#saved === null) throw error;
      this.#tell(unreadable(error));
      return make(null);
    }
  }

  /** Shortly: something is otherwise that nobody can learn again. Nothing where nothing is kept (yet). */
  keepSoon(): void {
    if (this.#savings === null || this.#soon !== null) return;
    this.#soon = setTimeout(() => {
      this.#soon = null;
      void this.#keepAfter();
    }, SOON_MS).unref();
  }

  /** From now on, until it is closed. */
  keep(save: () => SavedState): void {
    if (this.#store === null) return;
    this.#save = save;
    this.#savings = every(SAVE_MS, () => void this.#keepNow());
  }

  /** Keeps it once more, as long as that does not take long. Idempotent. */
  async close(): Promise<void> {
    if (this.#savings === null) return;
    this.#savings.stop();
    this.#savings = null;
    if (this.#soon !== null) clearTimeout(this.#soon);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LAST_SAVE_MS);
    await Promise.race([this.#keepAfter(), promise]);
    clearTimeout(timer);
  }

  /** What is so now: not what is being written. */
  #keepAfter(): Promise<void> {
    return (this.#writing ?? Promise.resolve()).then(() => this.#keepNow());
  }

  /** Never rejects. One at a time: while one is being written, the next waits for its turn. */
  #keepNow(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#store === null || this.#save === null) return;
    try {
      const { text, left } = fitting(this.#save());
      await this.#store.write(text);
      this.#tellOnce(left === 0 ? "" : LEFT_OUT);
    } catch (error) {
      this.#tellOnce(`what the scheduler has learned is not kept: ${(error as Error).message}`);
    }
  }

  /** Empty: nothing stands in the way. */
  #tellOnce(reason: string): void {
    if (reason !== "" && reason !== this.#told) this.#tell(reason);
    this.#told = reason;
  }
}

const LEFT_OUT = `what the scheduler has learned of functions has more than ${STATE_BYTES_MAX} bytes: of those that were called the longest ago it is not kept`;

const unreadable = (error: unknown): string =>
  `what the scheduler had learned cannot be read, and is learned again: ${(error as Error).message}`;

/** Without as many functions, from the last on, as it would be too long with. Throws where it is so without any. */
function fitting(saved: SavedState): { readonly text: string; readonly left: number } {
  const whole = JSON.stringify(saved);
  if (Buffer.byteLength(whole) <= STATE_BYTES_MAX) return { text: whole, left: 0 };
  const functions = Object.entries(saved.functions);
  let bytes = Buffer.byteLength(bounded(JSON.stringify({ ...saved, functions: {} })));
  const fits = functions.findIndex(([key, one]) => {
    // With a colon and a comma.
    bytes += Buffer.byteLength(JSON.stringify(key)) + Buffer.byteLength(JSON.stringify(one)) + 2;
    return bytes > STATE_BYTES_MAX;
  });
  const kept = Object.fromEntries(functions.slice(0, fits === -1 ? functions.length : fits));
  return { text: JSON.stringify({ ...saved, functions: kept }), left: functions.length - Object.keys(kept).length };
}

/** Throws where it is too long. */
function bounded(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > STATE_BYTES_MAX) throw new Error(`it has ${bytes} bytes, ${STATE_BYTES_MAX} are allowed`);
  return text;
}

/** Throws where it is none; what it says of the policy and of functions, those see to who read it. */
function savedIn(text: string): SavedState {
  const saved = JSON.parse(bounded(text)) as Partial<SavedState> | null;
  const isSaved = typeof saved?.functions === "object" && saved.functions !== null && typeof saved.policy === "string";
  if (!isSaved) throw new Error("it is JSON of something else");
  return saved as SavedState;
}
