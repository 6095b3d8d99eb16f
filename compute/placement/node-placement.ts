// A node's part in placement: it follows the plan, sends windows of samples and asks the node that
// controls. While it holds the lease it controls itself (placement-control.ts). A call costs a
// look-up in the plan and a few sums.

import type { Plan } from "#runtime/placement/plan.ts";
import { isLaterPlan, NO_PLAN } from "#runtime/placement/plan.ts";
import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import type { Controllership } from "../controller/controllership.ts";
import type { CallObserver } from "../node/invoke.ts";
import { toLocusError } from "../node/redis-error.ts";
import { overviewOf, summaryOf, type Answer, type PlacementOverview, type PlacementSummary } from "./answers.ts";
import { FollowedPlan } from "./followed-plan.ts";
import { machineNow } from "./machine.ts";
import { PlacementControl, readInheritance, type ControlOptions } from "./placement-control.ts";
import { PlacementLink } from "./placement-link.ts";
import { placementText } from "./placement-metrics.ts";
import { PlacementStore } from "./placement-store.ts";
import { PlanFollower, type SidesInFlight } from "./plan-follower.ts";
import { SampleWindows, type WindowOptions } from "./sample-window.ts";
import { NO_RULES, type StoredRules } from "./stored-rules.ts";

type PlacementOptions = Pick<ControlOptions, "address" | "user" | "functions" | "calibrate" | "log" | "nowMs"> &
  Pick<WindowOptions, "inFlight" | "hostsCpuUs" | "isolatesMax"> & {
    /** The node that holds it controls. */
    readonly controllership: Controllership;
  };

export class NodePlacement {
  readonly node: string;
  readonly #options: PlacementOptions;
  readonly #link: PlacementLink;
  readonly #store: PlacementStore;
  readonly #follower = new PlanFollower();
  readonly #followed: FollowedPlan;
  readonly #windows: SampleWindows;
  #control: PlacementControl | null = null;
  #isTaking = false;
  #isClosed = false;

  constructor(options: PlacementOptions) {
    this.#options = options;
    const { address, user, controllership, functions, log, nowMs } = options;
    this.node = controllership.node;
    this.#link = new PlacementLink(address, user, this.node, {
      onConnected: () => this.#connected(),
      onPlan: (change) => this.#followed.apply(change),
      onRules: () => void this.#control?.rules.read(),
      onWindow: (window) => this.#control?.take(window),
      onQuestion: (name) => this.#known(name),
      onRefused: (reason) => log.warn({ reason }, "placement is hindered"),
    });
    this.#store = new PlacementStore(this.#link.commands, (reason) => this.#link.refused(reason));
    this.#followed = new FollowedPlan(
      () => this.#store.readPlan(),
      ({ placements }, hasMoved) => {
        this.#follower.follow(placements);
        if (hasMoved) this.#windows.endEarly();
      },
    );
    this.#windows = new SampleWindows({
      ...options,
      node: this.node,
      machine: machineNow(nowMs),
      onWindow: (window) => {
        if (this.#control === null) void this.#link.sendWindow(window);
        else this.#control.take(window);
      },
    });
    functions.onChange((names) => this.#control?.rules.review(names));
    controllership.onTurn((isHeld) => {
      if (isHeld) void this.#take();
      else this.#leave();
    });
  }

  get observer(): CallObserver {
    return this.#windows;
  }

  /** null: the plan has no entry for the function. */
  sideFor = (name: string, sides: SidesInFlight): PlannedSide | null => this.#follower.sideFor(name, sides);

  metricsText(): string {
    const control = this.#control;
    // For the next reader: these calls may have been the last ones.
    control?.watch.keepFresh();
    return placementText({
      placements: this.#followed.plan.placements,
      stayed: this.#follower.stayed,
      control: control && {
        storageCalls: control.watch.calls,
        loop: control.loop,
        constants: control.loop.constants,
        nowMs: this.#options.nowMs(),
      },
    });
  }

  async overview(): Promise<PlacementOverview> {
    const answer = await this.#ask(null);
    return answer !== null && "functions" in answer ? answer : overviewOf(this.#followed.plan);
  }

  /** Of a deployed function. */
  async explain(name: string): Promise<PlacementSummary> {
    const answer = await this.#ask(name);
    if (answer !== null && "function" in answer && answer.function === name) return answer;
    return summaryOf(name, this.#followed.plan.placements.get(name));
  }

  /** Returns the rules that hold from now on. Those that the change omits stay. null removes all of them. */
  async rule(name: string, change: Partial<StoredRules> | null): Promise<StoredRules> {
    try {
      await this.#store.writeRules(name, change);
      return (await this.#store.readRules()).get(name) ?? NO_RULES;
    } catch (error) {
      throw toLocusError(error, `store the rules of ${name}`);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#windows.close();
    this.#leave();
    this.#link.close();
  }

  #connected(): void {
    this.#followed.refresh();
    if (this.#control === null) return void this.#take();
    void this.#control.rules.read();
    // A Redis that was restarted has no plan for calls without a node.
    void this.#link.attempt(() => this.#tellModule(this.#followed.plan));
  }

  async #take(): Promise<void> {
    const isRefused = (): boolean => this.#control !== null || this.#isClosed || !this.#options.controllership.isHeld;
    if (this.#isTaking || isRefused()) return;
    this.#isTaking = true;
    const { log } = this.#options;
    const options: ControlOptions = {
      ...this.#options,
      node: this.node,
      link: this.#link,
      store: this.#store,
      onWritten: (plan) => {
        this.#followed.follow(plan);
        void this.#link.attempt(() => this.#tellModule(plan));
      },
      onDeposed: () => this.#leave(),
    };
    try {
      const inheritance = await readInheritance(options);
      if (isRefused()) return;
      this.#control = new PlacementControl(options, inheritance, this.#followed.plan);
      this.#control.start();
      log.info({ node: this.node, planVersion: inheritance.found.version }, "this node controls placement");
      await this.#link.listenAsController(true);
    } catch (error) {
      // The next turn of the lease tries again.
      this.#link.refused(`cannot control: ${(error as Error).message}`);
    } finally {
      this.#isTaking = false;
    }
  }

  /** The module keeps a plan that is later than any controller's. The next turn of the lease begins above it. */
  async #tellModule(plan: Plan): Promise<void> {
    if (plan.version === NO_PLAN.version) return;
    if (isLaterPlan(await this.#store.tellModule(plan), this.#followed.plan.version)) this.#leave();
  }

  #leave(): void {
    if (this.#control === null) return;
    this.#control.close();
    this.#control = null;
    void this.#link.listenAsController(false);
    this.#options.log.info({ node: this.node }, "this node controls placement no more");
  }

  async #ask(name: string | null): Promise<Answer["answer"]> {
    return this.#control === null ? await this.#link.ask(name) : this.#known(name);
  }

  /** null: this node does not control, or the function is unknown. */
  #known(name: string | null): Answer["answer"] {
    if (name !== null) return this.#control?.loop.explain(name) ?? null;
    return this.#control?.overview(this.#followed.plan.version) ?? null;
  }
}
