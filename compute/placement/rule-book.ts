// The rules of all deployed functions: what their authors prefer, and what operators have stored.

import type { Logger } from "pino";

import type { FunctionDescription } from "#runtime/function/description.ts";
import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import { RETRY_MS, type PlacementStore } from "./placement-store.ts";
import type { StoredRules } from "./stored-rules.ts";

interface RuleBookOptions {
  readonly store: Pick<PlacementStore, "readRules" | "writeRules">;
  readonly functions: FunctionCache;
  readonly onChange: () => void;
  readonly log: Pick<Logger, "info">;
}

export class RuleBook {
  readonly #options: RuleBookOptions;
  #stored: ReadonlyMap<string, StoredRules>;
  /** null: out of date. */
  #rules: Map<string, Rules> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #isRemoving = false;
  #isClosed = false;

  constructor(options: RuleBookOptions, stored: ReadonlyMap<string, StoredRules>) {
    this.#options = options;
    this.#stored = stored;
  }

  /** By function. */
  get rules(): ReadonlyMap<string, Rules> {
    const { functions } = this.#options;
    this.#rules ??= new Map(functions.list().map((description) => [description.name, this.#rulesOf(description)]));
    return this.#rules;
  }

  /** An operator has changed rules. */
  async read(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      this.#stored = await this.#options.store.readRules();
      this.#rules = null;
      this.#changed();
    } catch {
      if (!this.#isClosed) this.#retry = setTimeout(() => void this.read(), RETRY_MS).unref();
    }
  }

  /** These functions have changed. A deployment costs the same however many functions there are. */
  review(names: Iterable<string>): void {
    for (const name of names) {
      const description = this.#options.functions.current(name, null);
      if (description === undefined) this.#rules?.delete(name);
      else this.#rules?.set(name, this.#rulesOf(description));
    }
    this.#changed();
  }

  #rulesOf({ name, side }: FunctionDescription): Rules {
    return { ...FREE_RULES, ...this.#stored.get(name), preferred: side };
  }

  #changed(): void {
    if (this.#isClosed) return;
    this.#options.onChange();
    void this.#removeOrphans();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  /** Removes the rules of functions that are not deployed, after the registry has confirmed that. */
  async #removeOrphans(): Promise<void> {
    const { store, functions, log } = this.#options;
    const orphans = (): string[] => [...this.#stored.keys()].filter((name) => !functions.current(name, null));
    if (this.#isRemoving || orphans().length === 0) return;
    this.#isRemoving = true;
    try {
      await functions.refresh();
      for (const name of orphans()) {
        await store.writeRules(name, null);
        log.info({ function: name }, "removed the rules of a function that is not deployed");
      }
    } catch {
      // The next change of functions or rules tries again.
    }
    this.#isRemoving = false;
  }
}
