// What people have said of how many instances a function is to have, as it is kept in Redis: a field for each function. Every node reads it now and
// then and passes it on to whoever schedules.

import type { Redis } from "ioredis";
import { LocusError } from "#runtime/errors.ts";
import { NAME_PATTERN } from "#runtime/function/description.ts";

const KEY = "locus:controller:scale";
/** Instances that may be asked for of one function. */
export const INSTANCES_MAX = 1_000;
/** Functions of which something is said. */
const RULES_MAX = 1_000;

export interface ScaleRule {
  /** Instances that are kept warm whatever the policy says. */
  readonly min: number;
  /** Instances at once; null: as many as there is room for. */
  readonly max: number | null;
}

const NO_RULE: ScaleRule = { min: 0, max: null };

/** All reject as ioredis does, while Redis is away. */
export class ScaleRules {
  readonly #redis: Redis;
  #rules: ReadonlyMap<string, ScaleRule> = new Map();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** As last read. */
  get now(): ReadonlyMap<string, ScaleRule> {
    return this.#rules;
  }

  async read(): Promise<void> {
    const fields = await this.#redis.hgetall(KEY);
    const rules = new Map<string, ScaleRule>();
    for (const [name, text] of Object.entries(fields)) {
      const rule = ruleIn(text);
      if (rule !== null && NAME_PATTERN.test(name) && rules.size < RULES_MAX) rules.set(name, rule);
    }
    this.#rules = rules;
  }

  /** What is not said stays as it was; null takes back all. What holds then. Rejects with OVERLOADED where too much is said already. */
  async say(name: string, change: Partial<ScaleRule> | null): Promise<ScaleRule> {
    await this.read();
    const rule = change === null ? NO_RULE : { ...(this.#rules.get(name) ?? NO_RULE), ...change };
    if (rule.max !== null && rule.max < rule.min) {
      throw new LocusError("REQUEST_INVALID", `${name}: max is ${rule.max}, must not be below min, ${rule.min}`);
    }
    if (rule.min === 0 && rule.max === null) await this.#redis.hdel(KEY, name);
    else if (this.#rules.size >= RULES_MAX && !this.#rules.has(name)) {
      throw new LocusError("OVERLOADED", `something is said of ${RULES_MAX} functions already`);
    } else await this.#redis.hset(KEY, name, JSON.stringify(rule));
    await this.read();
    return rule;
  }
}

/** null: none that can be said. Whoever may write in Redis may have written it. */
function ruleIn(text: string): ScaleRule | null {
  try {
    const { min, max } = JSON.parse(text) as Partial<ScaleRule>;
    if (!isCount(min, 0) || (max !== null && !isCount(max, Math.max(1, min)))) return null;
    return { min, max };
  } catch {
    return null;
  }
}

const isCount = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= INSTANCES_MAX;
