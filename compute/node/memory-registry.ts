// The obvious registry, a map: for tests of what stands in front of a registry.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import {
  FIRST_CURSOR,
  type Registry,
  type RegistryChanges,
  type RegistryState,
  type StoredBundle,
} from "./registry.ts";

export class MemoryRegistry implements Registry {
  readonly #stored = new Map<string, { readonly description: FunctionDescription; readonly bundle: Uint8Array }>();
  /** Why nothing runs beside it, as a test wants it. */
  obstacle = "";
  readonly #listeners: (() => void)[] = [];
  readonly #describe: (bundle: Uint8Array) => FunctionDescription;

  /** `describe` reads a bundle's definition, or throws FUNCTION_INVALID. */
  constructor(describe: (bundle: Uint8Array) => FunctionDescription) {
    this.#describe = describe;
  }

  async changes(_cursor: string): Promise<RegistryChanges> {
    const changed = [...this.#stored.values()].map((entry) => entry.description);
    return { cursor: FIRST_CURSOR, isWhole: true, hasMore: false, changed, removed: [] };
  }

  async bundle(name: string, version: string): Promise<StoredBundle> {
    const entry = this.#stored.get(name);
    if (entry === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `there is no function "${name}" here`);
    if (entry.description.version !== version) {
      throw new LocusError("VERSION_NOT_FOUND", `no version ${version} of "${name}"`);
    }
    return { version, bundle: entry.bundle };
  }

  async load(bundle: Uint8Array): Promise<{ readonly name: string; readonly version: string }> {
    const description = this.#describe(bundle);
    this.#stored.set(description.name, { description, bundle });
    this.#announce();
    return description;
  }

  async delete(name: string): Promise<void> {
    if (!this.#stored.delete(name)) throw new LocusError("FUNCTION_NOT_FOUND", `there is no function "${name}" here`);
    this.#announce();
  }

  async probe(): Promise<RegistryState> {
    return { moduleVersion: "memory", obstacle: this.obstacle, coreTimes: null };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}
