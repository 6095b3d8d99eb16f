// What a client may do with functions: see them, deploy one, take one away. A bundle is checked in a sandbox host of
// this node before anything is stored; after a change this node's own mirror is up to date before the client hears of it.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import { checkBundleBytes } from "#runtime/function/source-map.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { Registry } from "./registry.ts";

export interface Deployment {
  readonly description: FunctionDescription;
  /** Of the function whose place it took, which may be the same; null where there was none. */
  readonly previousVersion: string | null;
}

/** A part of the deployed functions, by name. */
export interface FunctionPage {
  readonly functions: readonly FunctionDescription[];
  /** The last of these, after which the next page begins; null: there is none. */
  readonly next: string | null;
}

/** Functions on a page: at most, and unless the client asks for another number. */
export const PAGE_LIMIT_MAX = 1_000;
export const PAGE_LIMIT_DEFAULT = 100;
/** Characters of descriptions, as JSON, at which a page ends. */
const PAGE_LENGTH_MAX = 1024 * 1024;

export class FunctionCatalogue {
  readonly #registry: Registry;
  readonly #functions: FunctionCache;
  readonly #checker: Pick<Supervisor, "check">;

  constructor(registry: Registry, functions: FunctionCache, checker: Pick<Supervisor, "check">) {
    this.#registry = registry;
    this.#functions = functions;
    this.#checker = checker;
  }

  /** At most `limit` functions whose names come after `after`, as the registry has them now. */
  async list(after = "", limit = PAGE_LIMIT_DEFAULT): Promise<FunctionPage> {
    await this.#functions.refresh();
    const all = this.#functions.list();
    const first = all.findIndex(({ name }) => name > after);
    if (first === -1) return { functions: [], next: null };
    let end = first;
    for (let length = 0; end < all.length && end - first < limit && length < PAGE_LENGTH_MAX; end += 1) {
      length += JSON.stringify(all[end]).length;
    }
    return { functions: all.slice(first, end), next: end < all.length ? all[end - 1]!.name : null };
  }

  /** Rejects with FUNCTION_NOT_FOUND. */
  describe(name: string): Promise<FunctionDescription> {
    return this.#functions.find(name, null);
  }

  /** Asks Redis about a function that this node does not know yet. Rejects with FUNCTION_NOT_FOUND. */
  async expect(name: string): Promise<void> {
    if (this.#functions.current(name, null) === undefined) await this.describe(name);
  }

  /** Rejects with FUNCTION_NOT_FOUND. */
  async bundle(name: string): Promise<Uint8Array> {
    return (await this.#functions.image(await this.describe(name))).bundle;
  }

  /**
   * Stores the function that the bundle defines, in place of the one of that name; `name` null takes whatever name it
   * has. Rejects, with nothing stored, with BUNDLE_TOO_LARGE, or FUNCTION_INVALID: it cannot be loaded, or its name is
   * not `name`.
   */
  async deploy(name: string | null, bundle: Uint8Array): Promise<Deployment> {
    checkBundleBytes(bundle);
    const checked = await this.#checker.check(bundle);
    if (name !== null && checked.name !== name) {
      throw new LocusError("FUNCTION_INVALID", `the bundle defines "${checked.name}", not "${name}"`);
    }
    await this.#functions.refresh();
    const previousVersion = this.#functions.current(checked.name, null)?.version ?? null;
    await this.#registry.load(bundle);
    return { description: await this.describe(checked.name), previousVersion };
  }

  /** Rejects with FUNCTION_NOT_FOUND. */
  async remove(name: string): Promise<void> {
    await this.#registry.delete(name);
    await this.#functions.refresh();
  }
}
