// A file that holds a scheduler's state: written beside and put in its place, so that there is always a whole one, whenever process or machine die.

import { constants, createReadStream } from "node:fs";
import { access, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { LocusError } from "#runtime/errors.ts";
import { SchedulerState, STATE_BYTES_MAX, type StateStore } from "./scheduler-state.ts";

/** What is written beside it. What is left of one that was cut short is overwritten. */
const NEXT_SUFFIX = ".next";
/** It names people's functions. */
const MODE = 0o600;

export class StateFile implements StateStore {
  readonly #path: string;
  #written: string | null = null;

  /** One process at a time has it. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Rejects with CONFIG_INVALID where it cannot be read, or where nothing could be put in its place. */
  async read(): Promise<string | null> {
    try {
      await access(dirname(this.#path), constants.W_OK);
      return await textOf(createReadStream(this.#path, { end: STATE_BYTES_MAX }));
    } catch (cause) {
      const { code, path, message } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" && path === this.#path) return null;
      throw new LocusError("CONFIG_INVALID", `LOCUS_SCHEDULER_STATE: ${message}`, { cause });
    }
  }

  /** Nothing is written where it says what it said last. Rejects with what the system says. */
  async write(text: string): Promise<void> {
    if (text === this.#written) return;
    const next = this.#path + NEXT_SUFFIX;
    const file = await open(next, "w", MODE);
    try {
      await file.writeFile(text);
      // Else the name may be there before the bytes are, when the machine loses its power.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.#path);
    this.#written = text;
  }
}

/** Of a program: in the file that its settings name; null: nowhere. Rejects with CONFIG_INVALID. */
export const openStateFile = (path: string | null, log: { say(event: object): void }): Promise<SchedulerState> =>
  SchedulerState.open(path === null ? null : new StateFile(path), (reason) => log.say({ event: "state", reason }));
