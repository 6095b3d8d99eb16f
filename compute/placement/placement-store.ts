// Placement in Redis: the plan, what each function has been through and its rules are hashes by
// function; the calibrated constants are a string. Any client may have written them: what is
// invalid is left out. All methods reject with ioredis' errors while Redis is away.

import type { ChainableCommander, Redis } from "ioredis";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import { arePlausible } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { NO_PLAN, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { CONTROLLER_LEASE_KEY } from "../controller/controllership.ts";
import { inTurn, isExecuted } from "../node/redis-transaction.ts";
import { fieldsOf, planText, readConstants, readPlacement, readRecord, type PlanChange } from "./messages.ts";
import { fieldsChange, rulesIn, type StoredRules } from "./stored-rules.ts";

const KEYS = {
  plan: "locus:placement:plan",
  records: "locus:placement:records",
  rules: "locus:placement:rules",
  constants: "locus:placement:constants",
} as const;

/** Also the keys on which changes are published. */
export const PLAN_CHANNEL = KEYS.plan;
export const RULES_CHANNEL = KEYS.rules;

/** Pause before a command that failed is repeated, because Redis is away or busy. Not sensitive. */
export const RETRY_MS = 500;

/** No function's name begins with @. */
const VERSION_FIELD = "@version";

export class PlacementStore {
  readonly #redis: Redis;
  readonly #onInvalid: (reason: string) => void;

  constructor(redis: Redis, onInvalid: (reason: string) => void) {
    this.#redis = redis;
    this.#onInvalid = onInvalid;
  }

  async readPlan(): Promise<Plan> {
    const { [VERSION_FIELD]: version, ...fields } = await this.#redis.hgetall(KEYS.plan);
    if (versionOf(version) === NO_PLAN.version) return NO_PLAN;
    const placements = new Map<string, Placement>();
    for (const [name, text] of Object.entries(fields)) {
      const placement = readPlacement(text);
      if (placement !== null && NAME_PATTERN.test(name)) placements.set(name, placement);
    }
    return { version: versionOf(version), placements };
  }

  /** Counters and last transitions of these functions, from earlier controllers. */
  async readRecords(names: Pick<ReadonlySet<string>, "has">): Promise<ReadonlyMap<string, FunctionRecord>> {
    const records = new Map<string, FunctionRecord>();
    for (const [name, text] of Object.entries(await this.#redis.hgetall(KEYS.records))) {
      if (!names.has(name)) continue;
      const record = readRecord(name, text);
      if (record === null) this.#onInvalid(`the field ${name} of ${KEYS.records} is invalid and is ignored`);
      else records.set(name, record);
    }
    return records;
  }

  /**
   * Writes and publishes the change if `holder` holds the lease and the plan is the change's base. False: another
   * node controls or has written a plan. Rejects if another attempt may succeed. `isRetry`: an earlier one may have.
   */
  writePlan(holder: string, change: PlanChange, records: ReadonlyMap<string, string>, isRetry: boolean) {
    return inTurn(this.#redis, async (): Promise<boolean> => {
      const [, leaseHolder, text] = await Promise.all([
        this.#redis.watch(CONTROLLER_LEASE_KEY, KEYS.plan),
        this.#redis.get(CONTROLLER_LEASE_KEY),
        this.#redis.hget(KEYS.plan, VERSION_FIELD),
      ]);
      const version = versionOf(text);
      // The node may regain a lease that nobody holds.
      if (leaseHolder === null) throw new Error("no node holds the lease");
      if (leaseHolder !== holder) return false;
      if (isRetry && version === change.version) return true;
      if (version !== change.base) return false;
      if (await isExecuted(this.#transactionOf(change, records))) return true;
      throw new Error("the lease was renewed meanwhile");
    });
  }

  /** For calls that come without a node. Returns the version of the plan that the module follows now. */
  async tellModule(plan: Plan): Promise<number> {
    const [, version] = (await this.#redis.call("LOCUS.PLAN", "SET", planText(plan))) as [string, number];
    return version;
  }

  async modulePlanVersion(): Promise<number> {
    const plan = JSON.parse(String(await this.#redis.call("LOCUS.PLAN", "GET"))) as { readonly version?: number };
    return plan.version ?? NO_PLAN.version;
  }

  /** As an earlier controller measured them; null: none has. */
  async readConstants(): Promise<CostConstants | null> {
    const constants = readConstants((await this.#redis.get(KEYS.constants)) ?? "");
    return constants !== null && arePlausible(constants) ? constants : null;
  }

  async writeConstants(constants: CostConstants): Promise<void> {
    await this.#redis.set(KEYS.constants, JSON.stringify(constants));
  }

  /** By function. */
  async readRules(): Promise<ReadonlyMap<string, StoredRules>> {
    return rulesIn(await this.#redis.hgetall(KEYS.rules));
  }

  /** Rules that the change omits stay. null removes all rules of the function. */
  writeRules(name: string, change: Partial<StoredRules> | null): Promise<void> {
    return inTurn(this.#redis, async () => {
      // A plan that was not written still watches its keys: they would make this transaction fail.
      await this.#redis.unwatch();
      const { set, removed } = fieldsChange(name, change);
      const transaction = this.#redis.multi();
      if (set.length > 0) transaction.hset(KEYS.rules, ...set.flat());
      if (removed.length > 0) transaction.hdel(KEYS.rules, ...removed);
      await isExecuted(transaction.publish(RULES_CHANNEL, name));
    });
  }

  #transactionOf(change: PlanChange, records: ReadonlyMap<string, string>): ChainableCommander {
    const { version, base, removed } = change;
    const transaction = this.#redis.multi();
    // Fields without a version belong to no plan.
    if (base === NO_PLAN.version) transaction.del(KEYS.plan, KEYS.records);
    transaction.hset(KEYS.plan, VERSION_FIELD, String(version), ...fieldsOf(change));
    if (records.size > 0) transaction.hset(KEYS.records, ...[...records].flat());
    if (removed.length > 0) transaction.hdel(KEYS.plan, ...removed).hdel(KEYS.records, ...removed);
    return transaction.publish(PLAN_CHANNEL, JSON.stringify(change));
  }
}

/** An invalid version counts as none, so the next plan replaces it. */
function versionOf(text: string | null | undefined): number {
  const version = Number(text ?? NO_PLAN.version);
  return Number.isSafeInteger(version) && version >= 0 ? version : NO_PLAN.version;
}
