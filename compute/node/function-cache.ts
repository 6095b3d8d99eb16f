// A node's mirror of the registry: every function's description, and the bundles that calls have needed lately. It reads
// what has changed whenever something may have, and before it says that a function is not there. A call runs the version
// that is current here when it is admitted.

import { LocusError } from "#runtime/errors.ts";
import { NAME_PATTERN, type FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import { FIRST_CURSOR, type Registry } from "./registry.ts";

/** Is given the names of the functions that changed. */
export type ChangeListener = (names: ReadonlySet<string>) => void;

export class FunctionCache {
  readonly #registry: Registry;
  readonly #bundleBytesMax: number;
  #current = new Map<string, FunctionDescription>();
  /** Of them; null: out of date. */
  #sorted: readonly FunctionDescription[] | null = null;
  /** All changes up to it are in `#current`. */
  #cursor = FIRST_CURSOR;
  /** By version, the least recently used first. */
  readonly #images = new Map<string, FunctionImage>();
  readonly #fetching = new Map<string, Promise<FunctionImage>>();
  readonly #listeners: ChangeListener[] = [];
  #imageBytes = 0;
  /** Names of functions that changed and that listeners do not know of yet. They outlive a reading that fails. */
  #untold = new Set<string>();
  #reading: Promise<void> | null = null;
  #readingNext: Promise<void> | null = null;

  /** `bundleBytesMax`: all bundles together; the least recently used make room. */
  constructor(registry: Registry, bundleBytesMax: number) {
    this.#registry = registry;
    this.#bundleBytesMax = bundleBytesMax;
    // A failure needs no answer here: the next look-up that misses reads again and gets it as its own.
    registry.onChange(() => void this.refresh().catch(() => {}));
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** All functions, by name. */
  list(): readonly FunctionDescription[] {
    this.#sorted ??= [...this.#current.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
    return this.#sorted;
  }

  /** The function as known here and now; undefined where it is unknown, or current in another version than asked for. */
  current(name: string, version: string | null): FunctionDescription | undefined {
    const description = this.#current.get(name);
    return description !== undefined && (version === null || version === description.version) ? description : undefined;
  }

  /** As `current`, but asks the registry first. Rejects with FUNCTION_NOT_FOUND, VERSION_NOT_FOUND or what `refresh` rejects with. */
  async find(name: string, version: string | null): Promise<FunctionDescription> {
    if (NAME_PATTERN.test(name)) await this.refresh();
    const description = this.current(name, version);
    if (description !== undefined) return description;
    if (version !== null && this.#current.has(name)) {
      throw new LocusError("VERSION_NOT_FOUND", `the function "${name}" is not deployed in version ${version}`);
    }
    throw new LocusError("FUNCTION_NOT_FOUND", `there is no function "${name}" here`);
  }

  /** The function with its bundle: at once where it is held, else fetched (once, however many ask). */
  image(description: FunctionDescription): FunctionImage | Promise<FunctionImage> {
    const { version } = description;
    const held = this.#images.get(version);
    if (held === undefined) return this.#fetching.get(version) ?? this.#fetch(description);
    this.#images.delete(version);
    this.#images.set(version, held);
    return held;
  }

  /**
   * Reads what has changed. Resolves after a reading that began after the call: one that is under way may have missed what the
   * caller knows of. However many ask, one reading runs and one waits.
   */
  refresh(): Promise<void> {
    if (this.#readingNext !== null) return this.#readingNext;
    if (this.#reading === null) return this.#read();
    this.#readingNext = this.#reading
      .catch(() => {})
      .then(() => {
        this.#readingNext = null;
        return this.#read();
      });
    return this.#readingNext;
  }

  #read(): Promise<void> {
    this.#reading = this.#readPages().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** After a failure it begins where it began: to apply a change twice does no harm. */
  async #readPages(): Promise<void> {
    const names = this.#untold;
    let current = this.#current;
    let cursor = this.#cursor;
    for (let hasMore = true; hasMore;) {
      const page = await this.#registry.changes(cursor);
      if (page.isWhole) {
        for (const name of current.keys()) names.add(name);
        current = new Map();
      }
      for (const description of page.changed) {
        current.set(description.name, description);
        names.add(description.name);
      }
      for (const name of page.removed) {
        current.delete(name);
        names.add(name);
      }
      ({ cursor, hasMore } = page);
    }
    this.#current = current;
    this.#cursor = cursor;
    if (names.size === 0) return;
    this.#sorted = null;
    this.#untold = new Set();
    for (const listener of this.#listeners) listener(names);
  }

  #fetch(description: FunctionDescription): Promise<FunctionImage> {
    const { name, version } = description;
    const fetching = this.#registry
      .bundle(name, version)
      .then(({ bundle }) => this.#hold({ description, bundle }))
      .finally(() => this.#fetching.delete(version));
    this.#fetching.set(version, fetching);
    return fetching;
  }

  #hold(image: FunctionImage): FunctionImage {
    this.#images.set(image.description.version, image);
    this.#imageBytes += image.bundle.byteLength;
    for (const [version, oldest] of this.#images) {
      if (this.#imageBytes <= this.#bundleBytesMax || oldest === image) break;
      this.#images.delete(version);
      this.#imageBytes -= oldest.bundle.byteLength;
    }
    return image;
  }
}
