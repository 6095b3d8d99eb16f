// A file that holds a scheduler's state: written beside and put in its place, so that there is always a whole one, whenever process or machine die.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { constants, createReadStream } from "node:fs";
import { access, open, rename } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
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

/** Of a program: in the file that its settings name, which is its own as long as it lives; null: nowhere. Rejects with CONFIG_INVALID. */
export async function openStateFile(path: string | null, log: { say(event: object): void }): Promise<SchedulerState> {
  if (path !== null) await claim(path);
  return SchedulerState.open(path === null ? null : new StateFile(path), (reason) =>
    log.say({ event: "state", reason }),
  );
}

/** A socket's name that begins with a zero lies in no folder: the kernel gives it to one process of a machine, or of a container, until that has ended. */
async function claim(path: string): Promise<void> {
  const name = createHash("sha256").update(resolve(path)).digest("hex");
  const server = createServer((socket) => socket.destroy());
  server.listen({ path: `\0locus-state-${name}` });
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new LocusError("CONFIG_INVALID", `LOCUS_SCHEDULER_STATE: another process has ${path}`, { cause });
  }
  server.unref();
}
