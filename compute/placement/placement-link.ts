// Placement in Redis: the plan and the rules as hashes, so that a node that comes late reads them; channels for all that is said.
// Every node listens for changes of plan and rules; the controller listens for windows and questions as well.

import type { ChainableCommander, Redis } from "ioredis";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import { arePlausible } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { NO_PLAN, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { CONTROLLER_LEASE_KEY } from "../controller/controllership.ts";
import { openLastingConnection, whenBothStand, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { inTurn, isExecuted } from "../node/redis-transaction.ts";
import { readAnswer, type Answer } from "./answers.ts";
import {
  fieldsOf,
  planText,
  readConstants,
  readPlacement,
  readPlanChange,
  readQuestion,
  readWindow,
  type PlanChange,
  type Question,
  type SampleWindow,
} from "./messages.ts";
import { readRecord } from "./function-records.ts";
import type { RecordTexts, WriteOutcome } from "./plan-writer.ts";
import { fieldsChange, rulesIn, type SaidRules } from "./said-rules.ts";

const KEYS = {
  plan: "locus:placement:plan",
  records: "locus:placement:records",
  rules: "locus:placement:rules",
  constants: "locus:placement:constants",
} as const;

const CHANNELS = {
  windows: "locus:placement:windows",
  plan: "locus:placement:plan",
  rules: "locus:placement:rules",
  questions: "locus:placement:questions",
} as const;

/** To one node. */
const answersTo = (node: string): string => `locus:placement:answers:${node}`;

/** Beside the names of functions, none of which begins so. */
const VERSION_FIELD = "@version";

/** A lease is renewed seldom: not even twice in a row while a plan is written. */
const WRITE_ATTEMPTS_MAX = 5;
/** Windows on their way at once: two hundred milliseconds. A server that is silent would have them pile up here. */
const WINDOWS_SENT_MAX = 8;

export interface LinkListener {
  /** The subscriptions stand, and commands are taken: what was said before was not heard. */
  readonly onConnected: () => void;
  readonly onPlan: (change: PlanChange) => void;
  readonly onRules: () => void;
  readonly onAnswer: (answer: Answer) => void;
  /** Only while `listenAsController`. */
  readonly onWindow: (window: SampleWindow) => void;
  readonly onQuestion: (question: Question) => void;
  /** Redis refuses what is needed; once for each text. */
  readonly onRefused: (reason: string) => void;
}

/** All methods reject with ioredis' errors while Redis is away. */
export class PlacementLink {
  readonly commands: Redis;
  readonly #subscriber: Redis;
  readonly #node: string;
  readonly #listener: LinkListener;
  readonly #told = new Set<string>();
  #isController = false;
  #windowsSent = 0;

  constructor(address: RedisAddress, user: RedisUser, node: string, listener: LinkListener) {
    this.#node = node;
    this.#listener = listener;
    this.commands = openLastingConnection(address, user, "placement");
    this.#subscriber = openLastingConnection(address, user, "placement-news");
    // Losses are told by the registry's connection.
    this.commands.on("error", () => {});
    this.#subscriber.on("error", () => {});
    this.#subscriber.on("message", (channel, text) => this.#hear(channel, text));
    const { commands } = this;
    whenBothStand({ commands, subscriber: this.#subscriber, subscribe: () => this.#subscribe() }, listener.onConnected);
  }

  /** Windows and questions are for the controller. */
  async listenAsController(isController: boolean): Promise<void> {
    this.#isController = isController;
    const channels = [CHANNELS.windows, CHANNELS.questions];
    await this.#attempt(() =>
      isController ? this.#subscriber.subscribe(...channels) : this.#subscriber.unsubscribe(...channels),
    );
  }

  /** Without a version it is none. */
  async readPlan(): Promise<Plan> {
    const { [VERSION_FIELD]: version = "0", ...fields } = await this.commands.hgetall(KEYS.plan);
    if (versionOf(version) === NO_PLAN.version) return NO_PLAN;
    const placements = new Map<string, Placement>();
    for (const [name, text] of Object.entries(fields)) {
      const placement = readPlacement(text);
      if (placement !== null && NAME_PATTERN.test(name)) placements.set(name, placement);
    }
    return { version: versionOf(version), placements };
  }

  /** What earlier controllers have told of these functions; what cannot be that is left out, and told of once. */
  async readRecords(names: Pick<ReadonlySet<string>, "has">): Promise<ReadonlyMap<string, FunctionRecord>> {
    const records = new Map<string, FunctionRecord>();
    const dropped: string[] = [];
    for (const [name, text] of Object.entries(await this.#recordFields())) {
      if (!names.has(name)) continue;
      const record = readRecord(name, text);
      if (record === null) dropped.push(name);
      else records.set(name, record);
    }
    if (dropped.length > 0) {
      const whose = `${dropped[0]}${dropped.length > 1 ? ` and of ${dropped.length - 1} more` : ""}`;
      this.refused(`what was told of ${whose} is none that this node knows: it is told no more`);
    }
    return records;
  }

  /**
   * Writes the change and the records, and tells everybody of the change, or does none of it: see WriteOutcome. One at a time. `isAgain`: where the plan is of that version it is the one
   * that was tried before.
   */
  writePlan(holder: string, change: PlanChange, records: RecordTexts, isAgain: boolean): Promise<WriteOutcome> {
    return inTurn(this.commands, async () => {
      for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
        await this.commands.watch(CONTROLLER_LEASE_KEY, KEYS.plan);
        const leased = await this.commands.get(CONTROLLER_LEASE_KEY);
        const version = versionOf((await this.commands.hget(KEYS.plan, VERSION_FIELD)) ?? "0");
        if (leased !== holder || version !== change.base) {
          await this.commands.unwatch();
          if (leased !== holder) return leased === null ? "unheld" : "deposed";
          if (isAgain && version === change.version) return "written";
          return version === NO_PLAN.version ? "forgotten" : "deposed";
        }
        // A lease that its holder renewed meanwhile has been touched as well: look again whose it is.
        if (await this.#isWritten(change, records)) return "written";
      }
      return "deposed";
    });
  }

  /** For calls that come without a node. `onKept`: it follows a later one, of that version. */
  tellModule(plan: Plan, onKept: (version: number) => void): void {
    const text = planText(plan);
    void this.#attempt(async () => {
      const [what, followed] = (await this.commands.call("LOCUS.PLAN", "SET", text)) as [string, number];
      if (what === "kept" && followed !== plan.version) onKept(followed);
    });
  }

  /** Of the plan that the module follows; 0: none. */
  async modulePlanVersion(): Promise<number> {
    const { version } = JSON.parse(String(await this.commands.call("LOCUS.PLAN", "GET"))) as {
      readonly version?: number;
    };
    return version ?? 0;
  }

  /** As an earlier controller measured them; null: none has. */
  async readConstants(): Promise<CostConstants | null> {
    const constants = readConstants((await this.commands.get(KEYS.constants)) ?? "");
    return constants !== null && arePlausible(constants) ? constants : null;
  }

  keepConstants(constants: CostConstants): void {
    void this.#attempt(() => this.commands.set(KEYS.constants, JSON.stringify(constants)));
  }

  async readRules(): Promise<ReadonlyMap<string, SaidRules>> {
    return rulesIn(await this.commands.hgetall(KEYS.rules));
  }

  /** What is not said stays as it was, whoever else says something now; null takes back all. */
  writeRules(name: string, change: Partial<SaidRules> | null): Promise<void> {
    return inTurn(this.commands, async () => {
      // What a write of the plan that was cut short still watches makes this one void, once.
      await this.commands.unwatch();
      const { set, removed } = fieldsChange(name, change);
      const transaction = this.commands.multi();
      if (set.length > 0) transaction.hset(KEYS.rules, ...set.flat());
      if (removed.length > 0) transaction.hdel(KEYS.rules, ...removed);
      await isExecuted(transaction.publish(CHANNELS.rules, name));
    });
  }

  sendWindow(window: SampleWindow): void {
    if (this.#windowsSent >= WINDOWS_SENT_MAX) return;
    this.#windowsSent += 1;
    void this.#attempt(() => this.commands.publish(CHANNELS.windows, JSON.stringify(window))).finally(
      () => (this.#windowsSent -= 1),
    );
  }

  /** How many controllers hear it. */
  ask(question: Question): Promise<number> {
    return this.commands.publish(CHANNELS.questions, JSON.stringify(question));
  }

  answer(node: string, answer: Answer): void {
    void this.#attempt(() => this.commands.publish(answersTo(node), JSON.stringify(answer)));
  }

  /** Something stands in the way: tells of it, once. */
  refused(reason: string): void {
    if (this.#told.has(reason) || this.#told.size >= REFUSALS_TOLD_MAX) return;
    this.#told.add(reason);
    this.#listener.onRefused(reason);
  }

  close(): void {
    this.commands.disconnect();
    this.#subscriber.disconnect();
  }

  async #recordFields(): Promise<Readonly<Record<string, string>>> {
    try {
      return await this.commands.hgetall(KEYS.records);
    } catch (error) {
      const { message } = error as Error;
      if (!message.startsWith("WRONGTYPE")) throw error;
      await this.#dropRecords();
      return {};
    }
  }

  async #dropRecords(): Promise<void> {
    this.refused(`${KEYS.records} is no hash: what was told of functions is told no more`);
    await this.commands.del(KEYS.records);
  }

  /** The plan's key is watched, and was read as what it is: one of another type is that of records, beside which all else was executed. */
  async #isWritten(change: PlanChange, records: RecordTexts): Promise<boolean> {
    try {
      return await isExecuted(this.#transactionOf(change, records));
    } catch (error) {
      if (!(error as Error).message.startsWith("WRONGTYPE")) throw error;
      await this.#dropRecords();
      return true;
    }
  }

  #transactionOf(change: PlanChange, records: RecordTexts): ChainableCommander {
    const { version, base, removed } = change;
    const transaction = this.commands.multi();
    // What stands there without a version is nobody's.
    if (base === NO_PLAN.version) transaction.del(KEYS.plan, KEYS.records);
    transaction.hset(KEYS.plan, VERSION_FIELD, String(version), ...fieldsOf(change));
    const told = Object.entries(records);
    if (told.length > 0) transaction.hset(KEYS.records, ...told.flat());
    if (removed.length > 0) transaction.hdel(KEYS.plan, ...removed).hdel(KEYS.records, ...removed);
    return transaction.publish(CHANNELS.plan, JSON.stringify(change));
  }

  async #subscribe(): Promise<void> {
    await this.#attempt(() => this.#subscriber.subscribe(CHANNELS.plan, CHANNELS.rules, answersTo(this.#node)));
    if (this.#isController) await this.listenAsController(true);
  }

  #hear(channel: string, text: string): void {
    const { onPlan, onRules, onAnswer, onWindow, onQuestion } = this.#listener;
    const pass = <Message>(message: Message | null, on: (message: Message) => void): void => {
      if (message === null) this.refused(`a message on ${channel} is none that this node knows`);
      else on(message);
    };
    if (channel === CHANNELS.windows) pass(readWindow(text), onWindow);
    else if (channel === CHANNELS.plan) pass(readPlanChange(text), onPlan);
    else if (channel === CHANNELS.rules) onRules();
    else if (channel === CHANNELS.questions) pass(readQuestion(text), onQuestion);
    else pass(readAnswer(text), onAnswer);
  }

  /** What is lost with a connection is said again, or is old by then. What Redis refuses is for the operator. */
  async #attempt(send: () => Promise<unknown>): Promise<void> {
    try {
      await send();
    } catch (error) {
      const { name, message } = error as Error;
      if (name === "ReplyError") this.refused(message);
    }
  }
}

const REFUSALS_TOLD_MAX = 32;

/** What is no version is none: the next plan takes its place. */
function versionOf(text: string): number {
  const version = Number(text);
  return Number.isSafeInteger(version) && version >= 0 ? version : NO_PLAN.version;
}
