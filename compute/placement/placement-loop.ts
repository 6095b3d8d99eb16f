// The loop around the decider (runtime/placement/controller.ts): windows of samples in, placements
// out. It runs in the node that controls placement and decides when a step is due.

import { clamp } from "#runtime/clamp.ts";
import { advance, regretAfter, resumed, type ControllerState, type Step } from "#runtime/placement/controller.ts";
import { Corrections, type RedisClocks } from "#runtime/placement/corrections.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { explain, type Explanation } from "#runtime/placement/explanation.ts";
import { countersOf, type FunctionRecord, type FunctionState } from "#runtime/placement/function-state.ts";
import { NOTHING_BUSY, type Outlook } from "#runtime/placement/optimal-shares.ts";
import { isSamePlacement, placeOf, type Placement } from "#runtime/placement/plan.ts";
import { FREE_RULES, type Rules, type Situation } from "#runtime/placement/situation.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { Transitions } from "#runtime/placement/transitions.ts";
import { ACTIVE_MS } from "#runtime/placement/view.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { isPlausible } from "#runtime/profile/plausible-tally.ts";
import type { Tally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import { Nodes, type Storage } from "./capacity.ts";

import type { DirectWindow, SampleWindow } from "./messages.ts";

/** Time between steps for each function that is called: steps take a few percent of a core (bench `controller`). */
const STEP_MS_PER_FUNCTION = 1.5;
/** Functions in the plan up to which functions that are not called have a place as well. Not sensitive. */
const PLACED_BEFORE_CALLS_MAX = 1_000;
/** The longest time between steps. Not sensitive. */
const STEP_MS_MAX = 1_000;

export interface Surroundings {
  /** As calibrated. */
  readonly constants: CostConstants;
  readonly storage: Storage;
}

interface LoopOptions {
  /** Of all deployed functions. */
  readonly rules: () => ReadonlyMap<string, Rules>;
  /** null: unknown, so calls of any version count. */
  readonly currentVersion: (name: string) => string | null;
  /** Calls of another version came, which may be new. */
  readonly onOtherVersion: () => void;
  readonly surroundings: () => Surroundings;
  readonly onPlacements: (placements: ReadonlyMap<string, Placement>) => void;
  readonly onTransition: (transition: Transition) => void;
  readonly nowMs: () => number;
}

export class PlacementLoop {
  readonly profiles = new Profiles();
  readonly #options: LoopOptions;
  readonly #nodes = new Nodes();
  readonly #corrections = new Corrections();
  readonly #transitions = new Transitions();
  /** Functions whose calls have changed since the last step. */
  #shifted = new Set<string>();
  #state: ControllerState;
  #step: Step | null = null;
  #steppedMs = -Infinity;
  #decidedMs: number | null = null;
  /** When the last window came. */
  #windowMs = -Infinity;
  #due: NodeJS.Timeout | undefined;

  /** Goes on from the plan of an earlier controller. */
  constructor(
    options: LoopOptions,
    placements: ReadonlyMap<string, Placement>,
    records: ReadonlyMap<string, FunctionRecord>,
  ) {
    this.#options = options;
    for (const { transitions } of records.values()) for (const one of transitions) this.#transitions.add(one);
    const { state, transitions } = resumed(placements, records, options.nowMs());
    this.#state = state;
    this.#report(transitions);
  }

  get functions(): ReadonlyMap<string, FunctionState> {
    return this.#state.functions;
  }

  /** What nodes follow. During a trial it includes the share to return to. */
  get placements(): ReadonlyMap<string, Placement> {
    const placementOf = (state: FunctionState): Placement =>
      state.fromShare === undefined ? placeOf(state) : { ...placeOf(state), fromShare: state.fromShare };
    return new Map(Array.from(this.functions, ([name, state]) => [name, placementOf(state)]));
  }

  /** As calibrated, and corrected by what calls took. */
  get constants(): CostConstants {
    const { constants, storage } = this.#options.surroundings();
    const corrected = this.#corrections.constants(constants, this.#options.nowMs());
    return storage.findsReads ? corrected : { ...corrected, storage: { ...corrected.storage, found: 0 } };
  }

  /** The last one; null before the first. */
  get step(): Step | null {
    return this.#step;
  }

  /** How busy the plan keeps the pools, as of the last step; null before the first. */
  get outlook(): Outlook | null {
    return this.#step && (this.#isIdle() ? NOTHING_BUSY : this.#step.outlook);
  }

  get regret(): number | null {
    return this.#step && (this.#isIdle() ? 0 : regretAfter(this.#step));
  }

  /** When the plan last changed; null: it has not. */
  get decidedMs(): number | null {
    return this.#decidedMs;
  }

  get nodeCount(): number {
    return this.#nodes.count;
  }

  /** null: the function is not deployed, or no step has seen it. */
  explain(name: string): Explanation | null {
    const state = this.functions.get(name);
    if (state === undefined) return null;
    return explain(name, {
      state,
      rules: this.#options.rules().get(name) ?? FREE_RULES,
      profile: this.profiles.get(name),
      constants: this.constants,
      transitions: this.#transitions.of(name),
      step: this.#isIdle() ? null : this.#step,
      nowMs: this.#options.nowMs(),
    });
  }

  /** What outlives this controller; null: the function is unknown. */
  recordOf(name: string): FunctionRecord | null {
    const state = this.functions.get(name);
    return state === undefined ? null : { counters: countersOf(state), transitions: this.#transitions.recorded(name) };
  }

  /** A window of a node. A step follows if it is due. */
  take({ node, machine, isolatesMax, stretchMs, tallies, inFlight, nodeCores, hostCores }: SampleWindow): void {
    const nowMs = this.#options.nowMs();
    this.#nodes.report(node, { machine, isolatesMax }, { inFlight, windowMs: windowMsOf(tallies.length) }, nowMs);
    // A call that came straight to Redis may be handed to a node. Its CPU time is in that node's
    // window.
    const isAlone = !this.#nodes.hasDirect;
    const window = {
      ...this.#checked(tallies, stretchMs),
      nodeCores: isAlone ? nodeCores : null,
      hostCores: isAlone && hostCores !== null ? Math.min(hostCores, machine.cores) : null,
      inFlight: isAlone ? this.#nodes.inFlight(nowMs) : Infinity,
    };
    this.#corrections.learnNode(window, this.#options.surroundings().constants, nowMs);
    this.#fold(window, false);
  }

  /** A window of calls that came straight to Redis. */
  takeDirect({ stretchMs, tallies, inFlight }: DirectWindow): void {
    this.#nodes.reportDirect({ inFlight, windowMs: windowMsOf(tallies.length) }, this.#options.nowMs());
    const calls = this.#checked(tallies, stretchMs);
    this.#corrections.learnDirect(calls.tallies);
    this.#fold(calls, true);
  }

  learnRedis(clocks: RedisClocks): void {
    this.#corrections.learnRedis(clocks, this.#options.surroundings().constants, this.#options.nowMs());
  }

  /** Something other than the calls has changed. */
  reviewSoon(): void {
    this.#reviewIn(0);
  }

  close(): void {
    clearTimeout(this.#due);
  }

  /** A node may send anything. */
  #checked(tallies: readonly Tally[], stretchMs: number): Calls {
    return { tallies: tallies.filter(isPlausible), stretchMs: clamp(stretchMs, WINDOW_MS, STRETCH_MS_MAX) };
  }

  #fold({ tallies, stretchMs }: Calls, isDirect: boolean): void {
    // Calls of a replaced version end among those of the new one.
    const current = tallies.filter(({ function: name, version }) => {
      const wanted = this.#options.currentVersion(name);
      return wanted === null || wanted === version;
    });
    if (current.length < tallies.length) this.#options.onOtherVersion();
    const nowMs = this.#options.nowMs();
    for (const name of this.profiles.fold(current, nowMs, stretchMs, isDirect)) this.#shifted.add(name);
    const gapMs = Math.min(nowMs - this.#windowMs, STRETCH_MS_MAX);
    this.#windowMs = nowMs;
    // Windows come at about equal gaps: step with the one that is nearest to the time when a step
    // is due.
    this.#reviewIn(gapMs / 2);
  }

  /** Steps now if a step is due within `earlyMs`; otherwise with a later window, or by itself if none comes. */
  #reviewIn(earlyMs: number): void {
    const calledCount = this.#step?.views.length ?? 0;
    const intervalMs = clamp(STEP_MS_PER_FUNCTION * calledCount, WINDOW_MS, STEP_MS_MAX);
    const waitMs = this.#steppedMs + intervalMs - this.#options.nowMs();
    if (waitMs <= earlyMs) this.#review();
    else this.#reviewAfter(waitMs + this.#nodes.longestWindowMs() + WINDOW_MS);
  }

  #reviewAfter(ms: number): void {
    clearTimeout(this.#due);
    this.#due = setTimeout(() => this.#review(), ms).unref();
  }

  #review(): void {
    clearTimeout(this.#due);
    const situation = this.#takeSituation();
    const before = this.functions;
    this.#steppedMs = situation.nowMs;
    this.#step = advance(this.#state, situation);
    this.#state = this.#step.state;
    this.profiles.keepOnly(this.#options.rules());
    this.#transitions.keepOnly(situation.rules);
    this.#report(this.#step.transitions);
    // An experiment ends even if no window comes any more.
    if (this.#state.experiment !== null) this.#reviewAfter(STEP_MS_MAX);
    if (hasSamePlacements(before, this.functions)) return;
    this.#decidedMs = situation.nowMs;
    this.#options.onPlacements(this.placements);
  }

  #report(transitions: readonly Transition[]): void {
    for (const transition of transitions) {
      this.#transitions.add(transition);
      this.#options.onTransition(transition);
    }
  }

  #takeSituation(): Situation {
    const nowMs = this.#options.nowMs();
    const { storage } = this.#options.surroundings();
    const otherWork = { ofNodes: this.#corrections.workBeyondCalls(nowMs), ofRedis: this.#corrections.plainCores };
    const shifted = this.#shifted;
    this.#shifted = new Set();
    this.#nodes.forgetSilent(nowMs);
    return {
      nowMs,
      // Longer windows keep the latest calls back.
      heardMs: nowMs - (this.#nodes.longestWindowMs() - WINDOW_MS),
      profiles: this.profiles,
      shifted,
      constants: this.constants,
      capacity: this.#nodes.capacity(storage, otherWork, nowMs),
      callersGrown: this.#nodes.callersGrown(nowMs),
      rules: this.#placedRules(),
    };
  }

  /** Of the functions in the plan: all that are called, and others while there is room. */
  #placedRules(): ReadonlyMap<string, Rules> {
    const all = this.#options.rules();
    if (all.size <= PLACED_BEFORE_CALLS_MAX) return all;
    const placed = new Map<string, Rules>();
    for (const [name] of this.profiles.entries()) {
      const rules = all.get(name);
      if (rules !== undefined) placed.set(name, rules);
    }
    for (const [name, rules] of all) {
      if (placed.size >= PLACED_BEFORE_CALLS_MAX) break;
      placed.set(name, rules);
    }
    return placed;
  }

  /** There have been no calls for a while. */
  #isIdle(): boolean {
    return this.#options.nowMs() - this.#windowMs > ACTIVE_MS;
  }
}

type Calls = Pick<SampleWindow, "tallies" | "stretchMs">;

const hasSamePlacements = (before: ReadonlyMap<string, Placement>, after: ReadonlyMap<string, Placement>): boolean =>
  before.size === after.size && [...after].every(([name, placement]) => isSamePlacement(before.get(name), placement));
