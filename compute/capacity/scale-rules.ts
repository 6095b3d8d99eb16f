// What people have said of how many instances a function is to have, as it is kept in Redis: a field for each function, and a version that only grows.
// Every node reads it now and then and passes it on to whoever schedules, for whom the newest holds.

import type { Redis } from "ioredis";
import { LocusError } from "#runtime/errors.ts";
import { NAME_PATTERN } from "#runtime/function/description.ts";
import { SCALED_INSTANCES_MAX, SCALED_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import { inTurn, isExecuted } from "../node/redis-transaction.ts";

const KEY = "locus:controller:scale";
/** No function's name has a colon. */
const VERSION_FIELD = ":version";
/** A version is Redis' time when it was said, µs, and more than the one before: beyond this, in the year 2112, it is none. */
const VERSION_MAX = 2 ** 52;
/** Of a write, where others come in between. */
const ATTEMPTS_MAX = 8;

export interface ScaleRule {
  /** Instances that are kept warm whatever the policy says. */
  readonly min: number;
  /** Instances at once; null: as many as there is room for. */
  readonly max: number | null;
}

const NO_RULE: ScaleRule = { min: 0, max: null };

/** What stands in Redis. */
interface Said {
  /** 0: nothing stands there. */
  readonly version: number;
  readonly rules: ReadonlyMap<string, ScaleRule>;
}

/** A field of the hash; null takes it away. */
type Change = readonly [name: string, text: string | null];

/** All reject as ioredis does, while Redis is away. */
export class ScaleRules {
  readonly #redis: Redis;
  #isForgetting = false;
  #said: Said = { version: 0, rules: new Map() };

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** As last read. */
  get now(): ReadonlyMap<string, ScaleRule> {
    return this.#said.rules;
  }

  /** Of those: what is said later has a greater one. 0: none were read yet. */
  get version(): number {
    return this.#said.version;
  }

  /** Where nothing stands there, since nobody has said anything or Redis was emptied, that is what holds, and is newer than all before. */
  async read(): Promise<void> {
    this.#said = saidIn(await this.#redis.hgetall(KEY));
    if (this.#said.version === 0) await this.#write(() => null);
  }

  /** What is not said stays as it was; null takes back all. What holds then. Rejects with OVERLOADED where too much is said already. */
  async say(name: string, change: Partial<ScaleRule> | null): Promise<ScaleRule> {
    let rule = NO_RULE;
    await this.#write((rules) => {
      rule = change === null ? NO_RULE : { ...(rules.get(name) ?? NO_RULE), ...change };
      if (rule.max !== null && rule.max < rule.min) {
        throw new LocusError("REQUEST_INVALID", `${name}: max is ${rule.max}, must not be below min, ${rule.min}`);
      }
      if (rule.min === 0 && rule.max === null) return [name, null];
      if (rules.size >= SCALED_MAX && !rules.has(name)) {
        throw new LocusError("OVERLOADED", `something is said of ${SCALED_MAX} functions already`);
      }
      return [name, JSON.stringify(rule)];
    });
    return rule;
  }

  /** Takes back what was said of functions that are deployed no more, once the registry has said so to this question: of these. */
  async forgetGone(functions: Pick<FunctionCache, "current" | "refresh">): Promise<readonly string[]> {
    const gone = (): readonly string[] =>
      [...this.now.keys()].filter((name) => functions.current(name, null) === undefined);
    if (this.#isForgetting || gone().length === 0) return [];
    this.#isForgetting = true;
    try {
      await functions.refresh();
      const names = gone();
      for (const name of names) await this.say(name, null);
      return names;
    } finally {
      this.#isForgetting = false;
    }
  }

  /** `changeOf` null: nothing but a version, where there is none. */
  #write(changeOf: (rules: Said["rules"]) => Change | null): Promise<void> {
    return inTurn(this.#redis, () => this.#writeAlone(changeOf));
  }

  async #writeAlone(changeOf: (rules: Said["rules"]) => Change | null): Promise<void> {
    const redis = this.#redis;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      await redis.watch(KEY);
      this.#said = saidIn(await redis.hgetall(KEY));
      const { version, rules } = this.#said;
      const change = changeOf(rules);
      if (change === null && version > 0) return;
      const [seconds = 0, microseconds = 0] = (await redis.time()).map(Number);
      const later = Math.max(version + 1, seconds * 1e6 + microseconds);
      const transaction = redis.multi().hset(KEY, VERSION_FIELD, String(later));
      if (change !== null) {
        const [name, text] = change;
        if (text === null) transaction.hdel(KEY, name);
        else transaction.hset(KEY, name, text);
      }
      if (!(await isExecuted(transaction))) continue;
      this.#said = saidIn(await redis.hgetall(KEY));
      return;
    }
    throw new LocusError("OVERLOADED", `others said something of functions' instances ${ATTEMPTS_MAX} times meanwhile`);
  }
}

function saidIn(fields: Readonly<Record<string, string>>): Said {
  const rules = new Map<string, ScaleRule>();
  for (const [name, text] of Object.entries(fields)) {
    const rule = ruleIn(text);
    if (rule !== null && NAME_PATTERN.test(name) && rules.size < SCALED_MAX) rules.set(name, rule);
  }
  const version = Number(fields[VERSION_FIELD] ?? 0);
  return { version: Number.isInteger(version) && version > 0 && version <= VERSION_MAX ? version : 0, rules };
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
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= SCALED_INSTANCES_MAX;
