// What only the node that controls placement does: it collects windows of samples, decides and
// writes the plan. It goes on from the plan of the controller before it.

import type { Logger } from "pino";

import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { isLaterPlan, NO_PLAN, type Plan } from "#runtime/placement/plan.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { Calibrator } from "../calibration/calibrator.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import type { RedisAddress, RedisUser } from "../node/redis-connection.ts";
import type { PlacementOverview } from "./answers.ts";
import { DirectSamples } from "./direct-samples.ts";
import type { SampleWindow } from "./messages.ts";
import type { PlacementLink } from "./placement-link.ts";
import { PlacementLoop } from "./placement-loop.ts";
import type { PlacementStore } from "./placement-store.ts";
import { PlanWriter } from "./plan-writer.ts";
import { RedisWatch } from "./redis-watch.ts";
import { RuleBook } from "./rule-book.ts";
import type { StoredRules } from "./stored-rules.ts";

/** Functions in the overview. An explanation has about 2 KiB, and a message may have 8 MiB. */
const OVERVIEW_FUNCTIONS_MAX = 1_000;

export interface ControlOptions {
  readonly node: string;
  readonly address: RedisAddress;
  readonly user: RedisUser;
  readonly functions: FunctionCache;
  readonly link: PlacementLink;
  readonly store: PlacementStore;
  /** null: others are at work. */
  readonly calibrate: (redis: PlacementLink["commands"]) => Promise<CostConstants | null>;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
  readonly nowMs: () => number;
  readonly onWritten: (plan: Plan) => void;
  /** Another node controls. */
  readonly onDeposed: () => void;
}

/** What earlier controllers have left. */
export interface Inheritance {
  readonly found: Plan;
  readonly records: ReadonlyMap<string, FunctionRecord>;
  readonly moduleVersion: number;
  readonly rules: ReadonlyMap<string, StoredRules>;
}

/** Rejects while Redis is away, or if the deployed functions are unknown: all would be removed from the plan. */
export async function readInheritance({ functions, store }: ControlOptions): Promise<Inheritance> {
  await functions.refresh();
  const found = await store.readPlan();
  const records = await store.readRecords(found.placements);
  return { found, records, moduleVersion: await store.modulePlanVersion(), rules: await store.readRules() };
}

export class PlacementControl {
  readonly loop: PlacementLoop;
  readonly watch: RedisWatch;
  readonly rules: RuleBook;
  readonly #options: ControlOptions;
  readonly #calibrator: Calibrator;
  readonly #writer: PlanWriter;
  readonly #direct: DirectSamples;

  /** `followed`: the plan that nodes follow. It is later than the one found if Redis has lost that. */
  constructor(options: ControlOptions, { found, records, moduleVersion, rules }: Inheritance, followed: Plan) {
    const { address, user, node, functions, link, store, calibrate, log, nowMs, onWritten, onDeposed } = options;
    this.#options = options;
    const onChange = (): void => this.loop.reviewSoon();
    this.rules = new RuleBook({ store, functions, onChange, log }, rules);
    this.watch = new RedisWatch({
      redis: link.commands,
      onClocks: (clocks) => this.loop.learnRedis(clocks),
      onChange,
      nowMs,
    });
    const isOpen = (): boolean => this.watch.storage.isOpen;
    this.#calibrator = new Calibrator({ store, redis: link.commands, calibrate, isOpen, onChange, log });
    this.#writer = new PlanWriter({
      found,
      followed: isLaterPlan(followed.version, moduleVersion) ? followed.version : moduleVersion,
      recordOf: (name) => this.loop.recordOf(name),
      write: (change, texts, isRetry) => store.writePlan(node, change, texts, isRetry),
      onWritten,
      onFailed: (error) => link.failed(error),
      onDeposed,
    });
    this.loop = new PlacementLoop(
      {
        rules: () => this.rules.rules,
        currentVersion: (name) => functions.current(name, null)?.version ?? null,
        // A later window tries again.
        onOtherVersion: () => void functions.refresh().catch(() => {}),
        surroundings: () => ({ constants: this.#calibrator.calibration.constants, storage: this.watch.storage }),
        onPlacements: (placements) => this.#writer.want(placements),
        onTransition: (transition) => {
          this.#writer.record(transition.function);
          logTransition(log, transition);
        },
        nowMs,
      },
      found.version === NO_PLAN.version ? followed.placements : found.placements,
      records,
    );
    this.#direct = new DirectSamples({
      address,
      user,
      onWindow: (window) => {
        this.watch.keepFresh();
        this.loop.takeDirect(window);
      },
      onRefused: (reason) => link.refused(reason),
    });
  }

  start(): void {
    this.#writer.want(this.loop.placements);
    // Changes since the inheritance was read were missed.
    void this.rules.read();
    void this.#calibrator.run();
  }

  take(window: SampleWindow): void {
    this.watch.keepFresh();
    this.loop.take(window);
  }

  /** It has the functions that were called last. */
  overview(planVersion: number): PlacementOverview {
    const { decidedMs, nodeCount, outlook, regret, constants, functions } = this.loop;
    return {
      planVersion,
      decidedMs,
      controller: this.#options.node,
      nodes: nodeCount,
      outlook,
      regret,
      constants,
      constantsFrom: this.#calibrator.calibration.from,
      functions: this.#calledLast([...functions.keys()]).map((name) => ({
        ...this.loop.explain(name)!,
        transitions: [],
      })),
    };
  }

  /** At most OVERVIEW_FUNCTIONS_MAX of the names, in their order. */
  #calledLast(names: readonly string[]): readonly string[] {
    const calledMs = (name: string): number => this.loop.profiles.get(name)?.lastMs ?? -Infinity;
    const byUse = names.toSorted((one, other) => (calledMs(one) < calledMs(other) ? 1 : -1));
    return byUse.slice(0, OVERVIEW_FUNCTIONS_MAX).toSorted();
  }

  close(): void {
    this.loop.close();
    this.rules.close();
    this.#writer.close();
    this.#direct.close();
    this.#calibrator.close();
  }
}

function logTransition(log: ControlOptions["log"], transition: Transition): void {
  const { atMs: _, ...what } = transition;
  if (transition.fromShare === transition.toShare) log.debug(what, "placement");
  else log.info(what, "moved");
}
