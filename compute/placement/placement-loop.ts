// The loop around the decider (runtime/placement/controller.ts): windows of samples in, placements out.
// It runs in the node that controls placement, decides when a step is due, and nothing else.

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
import { ACTIVE_MS, CALLERS_GROWN_MIN } from "#runtime/placement/view.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { isPlausible } from "#runtime/profile/plausible-tally.ts";
import type { Tally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import { Nodes, type Storage } from "./capacity.ts";
import type { DirectWindow, SampleWindow } from "./messages.ts";

/**
 * Time between steps for each function that is called, so that steps take a few percent of a core
 * (bench `controller`), and the bounds of it. What is urgent or being measured has a step within SOON_MS.
 */
const STEP_MS_PER_FUNCTION = 1.5;
const STEP_MS_MAX = 1_500;
const SOON_MS = 500;

/** What is known beside the calls. */
export interface Surroundings {
  /** As calibrated. */
  readonly constants: CostConstants;
  readonly storage: Storage;
}

interface LoopOptions {
  /** Of all deployed functions. */
  readonly rules: () => ReadonlyMap<string, Rules>;
  /** null: unknown, so that calls of any version count. */
  readonly currentVersion: (name: string) => string | null;
  /** Calls of another version came: it may be a new one. */
  readonly onOtherVersion: () => void;
  readonly surroundings: () => Surroundings;
  readonly onPlacements: (placements: ReadonlyMap<string, Placement>) => void;
  readonly onTransition: (transition: Transition) => void;
  readonly nowMs: () => number;
}

export class PlacementLoop {
  readonly #options: LoopOptions;
  readonly #profiles = new Profiles();
  readonly #nodes = new Nodes();
  readonly #corrections = new Corrections();
  readonly #transitions = new Transitions();
  /** Since the last step: functions whose calls have changed, and whether many more calls come. */
  readonly #shifted = new Set<string>();
  #hasSurged = false;
  #state: ControllerState;
  #step: Step | null = null;
  #steppedMs = -Infinity;
  #decidedMs: number | null = null;
  /** When the last window came, and how long after the one before. */
  #heard = { atMs: -Infinity, gapMs: WINDOW_MS };
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

  get placements(): ReadonlyMap<string, Placement> {
    return new Map(Array.from(this.functions, ([name, state]) => [name, placementOf(state)]));
  }

  get profiles(): Profiles {
    return this.#profiles;
  }

  /** As calibrated, and corrected by what calls took. */
  get constants(): CostConstants {
    const { constants, storage } = this.#options.surroundings();
    const corrected = this.#corrections.constants(constants, this.#options.nowMs());
    return storage.findsReads ? corrected : { ...corrected, storage: { ...corrected.storage, found: 0 } };
  }

  /** Cores that sandbox hosts beside Redis get while others keep them from more; Infinity: as many as they want. */
  get hostCores(): number {
    return this.#nodes.hostCores(this.#options.surroundings().storage);
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

  /** When the plan last changed; null: it has not yet. */
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
      profile: this.#profiles.get(name),
      constants: this.constants,
      transitions: this.#transitions.of(name),
      step: this.#isIdle() ? null : this.#step,
      nowMs: this.#options.nowMs(),
    });
  }

  /** What of a function outlives this controller; null: it is not known. */
  recordOf(name: string): FunctionRecord | null {
    const state = this.functions.get(name);
    return state === undefined ? null : { counters: countersOf(state), transitions: this.#transitions.recorded(name) };
  }

  /** A window of a node. A step follows if it is due. */
  take({ node, machine, stretchMs, tallies, inFlight, nodeCores, hostCores }: SampleWindow): void {
    const nowMs = this.#options.nowMs();
    this.#nodes.heard(node, machine, { inFlight, windowMs: windowMsOf(tallies.length) }, nowMs);
    const plausible = tallies.filter(isPlausible);
    // A call that came straight to Redis may be handed to a node. Its CPU time is in that node's window.
    const isAlone = !this.#nodes.hasDirect;
    const window = {
      tallies: plausible,
      stretchMs: clampStretch(stretchMs),
      nodeCores: isAlone ? nodeCores : null,
      hostCores: isAlone && hostCores !== null ? Math.min(hostCores, machine.cores) : null,
      inFlight: isAlone ? this.#nodes.inFlight(nowMs) : Infinity,
    };
    this.#corrections.learnNode(window, this.#options.surroundings().constants, nowMs);
    this.#fold(plausible, stretchMs, false);
  }

  /** A window of calls that came straight to Redis. */
  takeDirect({ stretchMs, tallies, inFlight }: DirectWindow): void {
    this.#nodes.heard(null, null, { inFlight, windowMs: windowMsOf(tallies.length) }, this.#options.nowMs());
    const plausible = tallies.filter(isPlausible);
    this.#corrections.learnDirect(plausible);
    this.#fold(plausible, clampStretch(stretchMs), true);
  }

  learnRedis(clocks: RedisClocks): void {
    this.#corrections.learnRedis(clocks, this.#options.surroundings().constants, this.#options.nowMs());
  }

  /** Something has changed beside the calls. */
  reviewSoon(): void {
    this.#reviewIn(0);
  }

  close(): void {
    clearTimeout(this.#due);
  }

  #fold(tallies: readonly Tally[], stretchMs: number, isDirect: boolean): void {
    // Calls of a replaced version end among those of the new one.
    const current = tallies.filter(({ function: name, version }) => {
      const wanted = this.#options.currentVersion(name);
      return wanted === null || wanted === version;
    });
    if (current.length < tallies.length) this.#options.onOtherVersion();
    const nowMs = this.#options.nowMs();
    const { shifted, surging } = this.#profiles.fold(current, nowMs, stretchMs, isDirect);
    for (const name of shifted) this.#shifted.add(name);
    this.#hasSurged ||= surging.length > 0;
    this.#heard = { atMs: nowMs, gapMs: Math.min(nowMs - this.#heard.atMs, STRETCH_MS_MAX) };
    // Windows come at about equal gaps: step with the one that is nearest to the time when a step is due.
    this.#reviewIn(this.#heard.gapMs / 2);
  }

  /** A step now if it is due within `earlyMs`; else with a later window, or by itself if none comes. */
  #reviewIn(earlyMs: number): void {
    const waitMs = this.#steppedMs + this.#intervalMs() - this.#options.nowMs();
    if (waitMs <= earlyMs) return this.#review();
    this.#reviewAfter(waitMs + this.#nodes.longestWindowMs() + WINDOW_MS);
  }

  #reviewAfter(ms: number): void {
    clearTimeout(this.#due);
    this.#due = setTimeout(() => this.#review(), ms).unref();
  }

  #intervalMs(): number {
    const { views = [], isAwaited = false } = this.#step ?? {};
    const isUrgent =
      isAwaited ||
      this.#hasSurged ||
      this.#shifted.size > 0 ||
      this.#nodes.callersGrown(this.#options.nowMs()) >= CALLERS_GROWN_MIN;
    return clamp(STEP_MS_PER_FUNCTION * views.length, WINDOW_MS, isUrgent ? SOON_MS : STEP_MS_MAX);
  }

  #review(): void {
    clearTimeout(this.#due);
    this.#due = undefined;
    const nowMs = this.#options.nowMs();
    this.#steppedMs = nowMs;
    const situation = this.#situation(nowMs);
    this.#shifted.clear();
    this.#hasSurged = false;
    const before = this.functions;
    this.#step = advance(this.#state, situation);
    this.#state = this.#step.state;
    this.#profiles.keepOnly(situation.rules);
    this.#transitions.keepOnly(situation.rules);
    this.#report(this.#step.transitions);
    // An experiment ends even if no window comes any more.
    if (this.#state.experiment !== null) this.#reviewAfter(SOON_MS + WINDOW_MS);
    if (!isOther(before, this.functions)) return;
    this.#decidedMs = nowMs;
    this.#options.onPlacements(this.placements);
  }

  #report(transitions: readonly Transition[]): void {
    for (const transition of transitions) {
      this.#transitions.add(transition);
      this.#options.onTransition(transition);
    }
  }

  #situation(nowMs: number): Situation {
    const { storage } = this.#options.surroundings();
    const otherWork = { ofNodes: this.#corrections.workBeyondCalls(nowMs), ofRedis: this.#corrections.plainCores };
    this.#nodes.forgetSilent(nowMs);
    return {
      nowMs,
      // Longer windows keep the latest calls back.
      heardMs: nowMs - (this.#nodes.longestWindowMs() - WINDOW_MS),
      profiles: this.#profiles,
      shifted: new Set(this.#shifted),
      constants: this.constants,
      capacity: this.#nodes.capacity(storage, otherWork, nowMs),
      callersGrown: this.#nodes.callersGrown(nowMs),
      rules: this.#options.rules(),
    };
  }

  /** Nobody has called anything for a while. */
  #isIdle(): boolean {
    return this.#options.nowMs() - this.#heard.atMs > ACTIVE_MS;
  }
}

/** A node may write anything. */
const clampStretch = (stretchMs: number): number => clamp(stretchMs, WINDOW_MS, STRETCH_MS_MAX);

/** What nodes follow; with the share to return to if a trial runs. */
const placementOf = (state: FunctionState): Placement => ({
  ...placeOf(state),
  ...(state.fromShare !== undefined && { fromShare: state.fromShare }),
});

/** Whether the nodes have something new to follow. */
function isOther(before: ReadonlyMap<string, Placement>, after: ReadonlyMap<string, Placement>): boolean {
  if (before.size !== after.size) return true;
  for (const [name, placement] of after) if (!isSamePlacement(before.get(name), placement)) return true;
  return false;
}
