// All functions that the scheduler knows, and what was saved before a restart of those that it knew.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionConfig } from "../function-config.ts";
import type { FunctionPolicy, Policy } from "../policy/policy.ts";
import { isAmount } from "../policy/saved-amounts.ts";
import { FunctionPool } from "./function-pool.ts";

/** JSON. */
export interface SavedFunction {
  readonly policy: unknown;
  readonly need: readonly number[];
}

/** By the name of the policy that decided for them. */
interface SavedPools {
  readonly policy: string;
  readonly functions: Readonly<Record<string, SavedFunction>>;
}

/** Functions of which something is saved, as far as they are not known now. Chosen. */
const SAVED_MAX = 4_096;

export class FunctionPools {
  readonly #policy: Policy;
  readonly #saved: SavedPools | null;
  readonly #byKey = new Map<string, FunctionPool>();

  constructor(policy: Policy, saved: SavedPools | null) {
    this.#policy = policy;
    this.#saved = saved;
  }

  all(): Iterable<FunctionPool> {
    return this.#byKey.values();
  }

  find(key: string): FunctionPool | undefined {
    return this.#byKey.get(key);
  }

  /** FUNCTION_NOT_FOUND. */
  get(key: string): FunctionPool {
    const pool = this.#byKey.get(key);
    if (pool === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `the scheduler knows no function "${key}"`);
    return pool;
  }

  /** As it was saved. What another policy knew means nothing to this one; what the function needs does. */
  add(config: FunctionConfig, now: number): FunctionPool {
    const pool = new FunctionPool(config, this.#follow(config, now), now);
    const need = this.#saved?.functions[config.key]?.need;
    if (isNeed(need)) pool.need.restore(need);
    this.#byKey.set(config.key, pool);
    return pool;
  }

  remove(pool: FunctionPool): void {
    this.#byKey.delete(pool.config.key);
    pool.removed = true;
  }

  /**
   * Those first that were called last: where there is no room for all, the others are left out (names that are whole numbers apart, which an object has
   * before all others). At the end what was saved before of functions that nobody has called since, so many of all.
   */
  save(): Readonly<Record<string, SavedFunction>> {
    const functions: Record<string, SavedFunction> = {};
    const known = [...this.#byKey.values()].toSorted((one, other) => other.calledMs - one.calledMs);
    for (const { config, policy, need } of known) functions[config.key] = { policy: policy.save(), need: need.save() };
    const before = Object.entries(this.#savedOfPolicy).filter(([key]) => !this.#byKey.has(key));
    const room = Math.max(0, SAVED_MAX - this.#byKey.size);
    for (const [key, one] of before.slice(0, room)) functions[key] = one;
    return functions;
  }

  /** Where what was saved cannot be read, since anybody may have written it, it learns anew. */
  #follow({ key, memoryMb }: FunctionConfig, now: number): FunctionPolicy {
    const state = this.#savedOfPolicy[key]?.policy;
    try {
      return this.#policy.follow({ memoryMb }, now, state);
    } catch (error) {
      if (state === undefined) throw error;
      return this.#policy.follow({ memoryMb }, now);
    }
  }

  get #savedOfPolicy(): SavedPools["functions"] {
    return this.#saved?.policy === this.#policy.name ? this.#saved.functions : {};
  }
}

const isNeed = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isAmount);
