// A node's mirror of the registry: every function's description, and the bundles that calls have needed lately. It reads
// the list again whenever it may be out of date, and before it says that a function is not there. A call runs the
// version that is current here when it is admitted.

import { LocusError } from "#runtime/errors.ts";
import { NAME_PATTERN, type FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import type { Registry } from "./registry.ts";

export class FunctionCache {
  readonly #registry: Registry;
  readonly #bundleBytesMax: number;
  #current: ReadonlyMap<string, FunctionDescription> = new Map();
  /** By version, the least recently used first. */
  readonly #images = new Map<string, FunctionImage>();
  readonly #fetching = new Map<string, Promise<FunctionImage>>();
  readonly #listeners: (() => void)[] = [];
  #imageBytes = 0;
  #reading: Promise<void> | null = null;
  #readingNext: Promise<void> | null = null;

  /** `bundleBytesMax`: all bundles together; the least recently used make room. */
  constructor(registry: Registry, bundleBytesMax: number) {
    this.#registry = registry;
    this.#bundleBytesMax = bundleBytesMax;
    // A failure needs no answer here: the next look-up that misses reads again and gets it as its own.
    registry.onChange(() => void this.refresh().catch(() => {}));
  }

  /** Calls it whenever the functions may not be what they were. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** All functions, by name. */
  list(): readonly FunctionDescription[] {
    return [...this.#current.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
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
   * Reads the list. Resolves after a reading that began after the call: one that is under way may have missed what the
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
    this.#reading = this.#registry
      .list()
      .then((list) => {
        this.#current = new Map(list.map((description) => [description.name, description]));
        for (const listener of this.#listeners) listener();
      })
      .finally(() => {
        this.#reading = null;
      });
    return this.#reading;
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
