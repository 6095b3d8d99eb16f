// A node's part in placement. Every node sends what its calls came to and follows the plan; the one that holds the lease decides it
// as well (docs/placement.md). Nothing here is on the way of a call but a look-up in the plan and a sum.

import { setTimeout as pause } from "node:timers/promises";

import type { Redis } from "ioredis";
import type { Logger } from "pino";

import { constantsOver } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { NO_OVERFLOW } from "#runtime/placement/overflow.ts";
import { isLaterPlan, NO_PLAN, placeOf, type Plan } from "#runtime/placement/plan.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import type { Controllership } from "../controller/controllership.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import type { CallObserver } from "../node/invoke.ts";
import type { RedisAddress, RedisUser } from "../node/redis-connection.ts";
import type { Answer, PlacementOverview, PlacementSummary } from "./answers.ts";
import { roundTripUsTo } from "./ask-network.ts";
import type { Calibrated } from "./calibrate.ts";
import { DirectSamples } from "./direct-samples.ts";
import { FollowedPlan } from "./followed-plan.ts";
import { machineNow } from "./machine.ts";
import type { Question, SampleWindow } from "./messages.ts";
import { PlacementLink } from "./placement-link.ts";
import { PlacementLoop } from "./placement-loop.ts";
import { placementText } from "./placement-metrics.ts";
import type { SidesInFlight } from "./plan-follower.ts";
import { PlanWriter } from "./plan-writer.ts";
import { Questions } from "./questions.ts";
import { RuleBook } from "./rule-book.ts";
import type { SaidRules } from "./said-rules.ts";
import { SampleWindows } from "./sample-window.ts";
import { RedisWatch } from "./surroundings.ts";

/** Between attempts to calibrate, while others are at work. */
const CALIBRATION_PAUSE_MIN_MS = 1_000;
const CALIBRATION_PAUSE_MAX_MS = 60_000;

interface PlacementOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  /** Whoever holds it decides. */
  readonly controllership: Controllership;
  readonly functions: FunctionCache;
  /** Measures what moving and computing cost here, with the connection of the node's user for Redis' own figures; null: others are at work. */
  readonly calibrate: (commands: Redis) => Promise<Calibrated | null>;
  /** Calls in the node now, waiting ones included. */
  readonly inFlight: () => number;
  /** CPU time of this node's sandbox hosts, since they began; null: they have not run the calls of this node, and no others. */
  readonly hostsCpuUs: () => number | null;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
  readonly nowMs: () => number;
}

/** What only the controller has. */
interface Control {
  readonly loop: PlacementLoop;
  readonly writer: PlanWriter;
  readonly direct: DirectSamples;
}

/** After the list of functions was read since calls came of a version that is not in it. */
const LOOK_AGAIN_MS = 1_000;

export class NodePlacement {
  readonly node: string;
  readonly #options: PlacementOptions;
  readonly #link: PlacementLink;
  readonly #followed: FollowedPlan;
  readonly #windows: SampleWindows;
  readonly #watch: RedisWatch;
  readonly #book: RuleBook;
  readonly #questions: Questions;
  #control: Control | null = null;
  #isTaking = false;
  #isClosed = false;
  #lookedMs = -Infinity;

  constructor(options: PlacementOptions) {
    this.#options = options;
    const { address, user, controllership, functions, inFlight, hostsCpuUs, log, nowMs } = options;
    this.node = controllership.node;
    this.#link = new PlacementLink(address, user, this.node, {
      onConnected: () => this.#connected(),
      onPlan: (change) => this.#followed.apply(change),
      onRules: () => void this.#book.read(),
      onAnswer: (answer) => this.#questions.answered(answer),
      onWindow: (window) => this.#heard(window),
      onQuestion: (question) => this.#answer(question),
      onRefused: (reason) => log.warn({ reason }, "placement is hindered"),
    });
    this.#questions = new Questions(this.node, this.#link);
    this.#book = new RuleBook({
      link: this.#link,
      functions,
      isKeeper: () => this.#control !== null,
      onChange: () => this.#control?.loop.reviewSoon(),
      log,
    });
    this.#followed = new FollowedPlan(
      () => this.#link.readPlan(),
      () => this.#windows.endEarly(),
    );
    this.#watch = new RedisWatch({
      redis: this.#link.commands,
      onClocks: (clocks) => this.#control?.loop.learnRedis(clocks),
      onChange: () => this.#control?.loop.reviewSoon(),
      nowMs,
    });
    this.#windows = new SampleWindows({
      node: this.node,
      machine: machineNow(nowMs),
      inFlight,
      hostsCpuUs,
      onWindow: (window) => (this.#control === null ? this.#link.sendWindow(window) : this.#heard(window)),
    });
    controllership.onTurn((isHeld) => {
      if (this.#isClosed) return;
      if (!isHeld) this.#leave();
      else if (this.#control === null) void this.#take();
    });
  }

  get observer(): CallObserver {
    return this.#windows;
  }

  /** By the plan, and counted as one of the calls that it spreads; null: nothing is planned. */
  sideFor = (name: string, sides: SidesInFlight): PlannedSide | null => this.#followed.sideFor(name, sides);

  metricsText(): string {
    // What is told now is for who reads them next: calls that have come since may have been the last ones.
    if (this.#control !== null) this.#watch.keepFresh();
    return placementText({
      placements: this.#followed.plan.placements,
      stayed: this.#followed.stayed,
      storageCalls: this.#watch.calls,
      loop: this.#control?.loop ?? null,
      constants: this.#control?.loop.constants ?? this.#watch.surroundings.constants,
      nowMs: this.#options.nowMs(),
    });
  }

  async overview(): Promise<PlacementOverview> {
    const answer = await this.#ask(null);
    return answer !== null && "functions" in answer ? answer : this.#overviewAlone();
  }

  /** Of a function that is deployed. */
  async explain(name: string): Promise<PlacementSummary> {
    const answer = await this.#ask(name);
    if (answer !== null && "function" in answer && answer.function === name) return answer;
    return this.#overviewAlone().functions.find((one) => one.function === name) ?? NOT_PLANNED(name);
  }

  /** What is not said stays as it was; null takes back all. Rejects with REDIS_UNAVAILABLE and its kin. */
  rule(name: string, change: Partial<SaidRules> | null): Promise<SaidRules> {
    return this.#book.say(name, change);
  }

  close(): void {
    this.#isClosed = true;
    this.#windows.close();
    this.#book.close();
    this.#leave();
    this.#questions.close();
    this.#link.close();
  }

  #connected(): void {
    this.#followed.refresh();
    // A Redis that was started again knows no plan.
    if (this.#control !== null && this.#followed.plan.version > 0) this.#tellModule(this.#followed.plan);
    void this.#book.read();
    if (this.#control === null) void this.#take();
  }

  /** This node controls from now on, where it may. */
  async #take(): Promise<void> {
    if (this.#isTaking || !this.#options.controllership.isHeld) return;
    this.#isTaking = true;
    const { address, user, functions, log, nowMs } = this.#options;
    try {
      // Who does not know what is deployed would take all of it out of the plan.
      await functions.refresh();
      const found = await this.#link.readPlan();
      const records = await this.#link.readRecords(found.placements);
      // Where Redis has forgotten the plan, the module may follow a later one still, and nodes do.
      const toldModule = await this.#link.modulePlanVersion();
      await this.#book.read();
      if (!this.#options.controllership.isHeld || this.#isClosed || this.#control !== null) return;
      const { plan } = this.#followed;
      const isForgotten = found.version === NO_PLAN.version && plan.version !== NO_PLAN.version;
      const writer = new PlanWriter({
        found,
        followed: isLaterPlan(plan.version, toldModule) ? plan.version : toldModule,
        recordOf: (name) => loop.recordOf(name),
        write: (change, records, isAgain) => this.#link.writePlan(this.node, change, records, isAgain),
        onWritten: (plan) => {
          this.#followed.follow(plan);
          this.#tellModule(plan);
        },
        onDeposed: () => this.#leave(),
      });
      const loop = new PlacementLoop(
        {
          rules: () => this.#book.rules,
          currentVersion: (name) => functions.current(name, null)?.version ?? null,
          // What the news of it, or the reading after that, may have missed.
          onOtherVersion: () => this.#lookAgain(),
          surroundings: () => this.#watch.surroundings,
          onPlacements: (placements) => writer.want(placements),
          onTransition: (transition) => {
            writer.record(transition.function);
            this.#tell(transition);
          },
          nowMs,
        },
        isForgotten ? plan.placements : found.placements,
        records,
      );
      const direct = new DirectSamples({
        address,
        user,
        onWindow: (window) => {
          this.#watch.keepFresh();
          loop.takeDirect(window);
        },
        onRefused: (reason) => this.#link.refused(reason),
      });
      // In one go: while anything is waited for it may have to leave again.
      this.#control = { loop, writer, direct };
      this.#watch.forgetCalls();
      if (found.version > 0) this.#tellModule(found);
      // What is forgotten, and what a trial or visits of the one before have left behind, holds for nobody who is not called, either.
      writer.want(loop.placements);
      log.info({ node: this.node, planVersion: found.version }, "this node controls placement");
      loop.reviewSoon();
      void this.#calibrate(this.#control);
      await this.#link.listenAsController(true);
    } catch (error) {
      // It is tried again with every turn of the lease.
      this.#link.refused(`cannot control: ${(error as Error).message}`);
    } finally {
      this.#isTaking = false;
    }
  }

  /** Of the plans that a server follows a controller's is the latest: another one was made by somebody who is none. */
  #tellModule(plan: Plan): void {
    this.#link.tellModule(plan, (followed) => this.#control?.writer.overtake(followed));
  }

  /** Until it is quiet enough for that what an earlier controller has measured holds, or the usual, over the network as it is. */
  async #calibrate(control: Control): Promise<void> {
    const { calibrate, log } = this.#options;
    const kept = await this.#link.readConstants().catch(() => null);
    let isNetworkKnown = this.#watch.constantsFrom === "measured";
    if (kept !== null && !isNetworkKnown) this.#watch.calibrated(kept, "kept");
    for (let pauseMs = CALIBRATION_PAUSE_MIN_MS; this.#control === control;) {
      try {
        const isOpen = this.#watch.surroundings.storage.isOpen;
        const calibrated = isOpen ? await calibrate(this.#link.commands) : null;
        // Another node may control by now, and calibrate.
        if (this.#control !== control) return;
        if (calibrated !== null) {
          const { constants, tookMs } = calibrated;
          log.info({ constants, tookMs }, "calibrated");
          this.#watch.calibrated(constants, "measured");
          this.#link.keepConstants(constants);
          return;
        }
        log.debug(
          { pauseMs },
          "not calibrated yet: others are at work, a sandbox host has ended meanwhile, or storage is off",
        );
      } catch (error) {
        const told = pauseMs === CALIBRATION_PAUSE_MIN_MS ? "warn" : "debug";
        log[told]({ reason: (error as Error).message, pauseMs }, "not calibrated: it is tried again");
      }
      const paused = pause(pauseMs, undefined, { ref: false });
      isNetworkKnown ||= await this.#takeNetwork(control, kept);
      await paused;
      pauseMs = Math.min(2 * pauseMs, CALIBRATION_PAUSE_MAX_MS);
    }
  }

  /** Whether it is known from now on. */
  async #takeNetwork(control: Control, kept: CostConstants | null): Promise<boolean> {
    const roundTripUs = await roundTripUsTo(this.#link.commands);
    if (roundTripUs === null || this.#control !== control) return false;
    const constants = constantsOver(roundTripUs, kept);
    if (constants === kept) return true;
    this.#options.log.info({ roundTripUs, rest: this.#watch.constantsFrom }, "calibrated for the network alone");
    this.#watch.calibrated(constants, "network");
    return true;
  }

  #leave(): void {
    if (this.#control === null) return;
    this.#control.loop.close();
    this.#control.writer.close();
    this.#control.direct.close();
    this.#control = null;
    void this.#link.listenAsController(false);
    this.#options.log.info({ node: this.node }, "this node controls placement no more");
  }

  #heard(window: SampleWindow): void {
    if (this.#control === null) return;
    this.#watch.keepFresh();
    this.#control.loop.take(window);
  }

  /** Once a second at most: calls of a version that was replaced end for a while. */
  #lookAgain(): void {
    const { functions, nowMs } = this.#options;
    if (nowMs() - this.#lookedMs < LOOK_AGAIN_MS) return;
    this.#lookedMs = nowMs();
    // Where it fails a window asks again, a second later.
    void functions.refresh().catch(() => {});
  }

  /** Moves are news; the rest is for who asks. */
  #tell({ function: name, from, to, fromShare, toShare, why }: Transition): void {
    const { log } = this.#options;
    const what = { function: name, from, to, fromShare, toShare, why };
    if (fromShare === toShare) log.debug(what, "placement");
    else log.info(what, "moved");
  }

  async #ask(name: string | null): Promise<Answer["answer"]> {
    return this.#control === null ? await this.#questions.ask(name) : this.#known(this.#control.loop, name);
  }

  #answer({ id, node, function: name }: Question): void {
    if (this.#control === null) return;
    this.#link.answer(node, { id, answer: this.#known(this.#control.loop, name) });
  }

  #known(loop: PlacementLoop, name: string | null): Answer["answer"] {
    if (name !== null) return loop.explain(name);
    return {
      planVersion: this.#followed.plan.version,
      decidedMs: loop.decidedMs,
      controller: this.node,
      nodes: loop.nodeCount,
      outlook: loop.outlook,
      hostCores: loop.hostCores < Infinity ? loop.hostCores : null,
      regret: loop.regret,
      constants: loop.constants,
      constantsFrom: this.#watch.constantsFrom,
      functions: [...loop.functions.keys()].toSorted().map((one) => ({ ...loop.explain(one)!, transitions: [] })),
    };
  }

  #overviewAlone(): PlacementOverview {
    const { version, placements } = this.#followed.plan;
    const functions = [...placements]
      .map(([name, placement]) => ({ function: name, ...placeOf(placement) }))
      .toSorted((one, other) => (one.function < other.function ? -1 : 1));
    return {
      planVersion: version,
      decidedMs: null,
      controller: null,
      nodes: null,
      outlook: null,
      hostCores: null,
      regret: null,
      constants: null,
      constantsFrom: null,
      functions,
    };
  }
}

const NOT_PLANNED = (name: string): PlacementSummary => ({
  function: name,
  state: "profiling",
  share: 0,
  probeEvery: 0,
  backCpuUs: 0,
  ...NO_OVERFLOW,
  reason: "Nothing is planned for it.",
});
