// The loop around the decider: windows in, placements out. Runs in the node that controls; all that it decides is decided by
// `runtime/placement/controller.ts`, from what is gathered here.

import { clamp } from "#runtime/clamp.ts";
import { CALLERS_GROWN_MIN } from "#runtime/placement/called-function.ts";
import { callersAfter, callersGrown, inFlightAt, type Callers } from "#runtime/placement/callers.ts";
import { advance, regretAfter, resumed, type ControllerState, type Step } from "#runtime/placement/controller.ts";
import {
  countersOf,
  type FunctionRecord,
  type FunctionState,
  TRIAL_GIVEN_UP_MS,
  type Transition,
} from "#runtime/placement/function-state.ts";
import { type Rules, type Situation } from "#runtime/placement/situation.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { KeptTransitions } from "#runtime/placement/kept-transitions.ts";
import { NOTHING_BUSY, type Outlook } from "#runtime/placement/optimal-shares.ts";
import { ACTIVE_MS } from "#runtime/placement/pauses.ts";
import { isSamePlacement, placeOf, type Placement } from "#runtime/placement/plan.ts";
import type { Capacity } from "#runtime/placement/pool-use.ts";
import { Corrections, type RedisClocks } from "#runtime/placement/corrections.ts";
import { fillsPool } from "#runtime/placement/surging.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { isPlausible, type Tally } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";
import { Hurries } from "./hurries.ts";
import type { DirectWindow, Machine, SampleWindow } from "./messages.ts";

/** A node that was silent for so long takes no part; one that has calls is heard three times a second, but for what it stands still. Chosen. */
const SILENT_MS = 5_000;
/** Between two steps, for each function that is called: a step takes some 20 µs of each, and what it leaves to the collector of garbage half as much, so steps take 2 % of a core … */
const STEP_MS_PER_FUNCTION = 1.5;
/** … but all are looked at within this, whatever their number: as many functions as there may be (storage-module/src/registry.h), 6 % of a core while steps come within SOON_MS. */
const STEP_MS_MAX = 1_500;
/**
 * What is urgent is followed at once, and what is so at the next step as well within this; and so is what has come of a shift, a move or a trial: at the third step after it, what it is held
 * against has to be among what a profile knows (calls-by-time.ts). With the window that is nearest to it, where they are long.
 */
const SOON_MS = 500;
/** For surges so many steps come as soon as with few functions, … */
const HURRIES = 3;
/** … and then one more in this time, whatever surges: one percent of a core with a thousand functions. Chosen: who has to leave may have to be visited for before. */
const HURRIES_EVERY_MS = 3_000;
/** Surges are weighed in every window while no more functions surge than this, and as much more seldom where more do: that takes half a percent of a core at most. Chosen: each takes some 10 µs. */
const WEIGHED_PER_WINDOW = 12;
/** More nodes than a plan is made for: those beyond are not counted. */
const NODES_MAX = 1_024;

/** What is known beside the calls. */
export interface Surroundings {
  readonly constants: CostConstants;
  /** Of Redis and the hosts beside it. */
  readonly storage: {
    /** null: not known, so it shares none with a node. */
    readonly machine: Machine | null;
    /** Calls that its hosts can run at once. */
    readonly isolatesMax: number;
    /** Whether calls can run there. */
    readonly isOpen: boolean;
    /** The read cache is in use. */
    readonly findsReads: boolean;
    /** Cores that its hosts get where others keep them from more; Infinity: as many as they want. */
    readonly hostCores: number;
  };
}

interface LoopOptions {
  /** By function: those that are deployed, with what was said about them. */
  readonly rules: () => ReadonlyMap<string, Rules>;
  /** Of a function; null: nobody knows, and calls of any count. */
  readonly currentVersion: (name: string) => string | null;
  /** Calls of another one are heard of: if that is the current one it is not known yet. */
  readonly onOtherVersion: () => void;
  readonly surroundings: () => Surroundings;
  readonly onPlacements: (placements: ReadonlyMap<string, Placement>) => void;
  readonly onTransition: (transition: Transition) => void;
  readonly nowMs: () => number;
}

/** Stands for all that comes without a node; no node is called so. */
const DIRECT = "";

/** A node that was heard of lately. */
interface KnownNode extends Callers {
  /** null: calls that came without a node bring no cores. */
  readonly machine: Machine | null;
}

export class PlacementLoop {
  readonly #options: LoopOptions;
  readonly #profiles = new Profiles();
  readonly #nodes = new Map<string, KnownNode>();
  readonly #transitions = new KeptTransitions();
  readonly #shifted = new Set<string>();
  #state: ControllerState;
  #step: Step | null = null;
  #steppedMs = -Infinity;
  /** Whether anything was at the last step. */
  #wasUrgent = false;
  /** A surge would fill a pool, and the next step does not wait for its time. */
  #isHurried = false;
  readonly #hurries = new Hurries(HURRIES, HURRIES_EVERY_MS);
  #weighAgainMs = -Infinity;
  /** When the last window came, and how long after the one before. */
  #told = { atMs: -Infinity, gapMs: WINDOW_MS };
  /** Calls in flight, to those that have been usual. */
  #grown = { atMs: -Infinity, times: 1 };
  #decidedMs: number | null = null;
  readonly #corrections = new Corrections();
  #due: NodeJS.Timeout | undefined;

  /** Goes on from what another controller had planned, and from what that has told. */
  constructor(
    options: LoopOptions,
    placements: ReadonlyMap<string, Placement>,
    records: ReadonlyMap<string, FunctionRecord>,
  ) {
    this.#options = options;
    for (const { transitions } of records.values()) for (const told of transitions) this.#transitions.add(told);
    const { state, transitions } = resumed(placements, records, options.nowMs());
    this.#state = state;
    this.#tell(transitions);
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** Of the state, what others follow. */
  get placements(): ReadonlyMap<string, Placement> {
    const placements = new Map<string, Placement>();
    this.#state.forEach((state, name) => placements.set(name, placementOf(state)));
    return placements;
  }

  /** Whether storage runs anything. */
  get hasStorage(): boolean {
    return this.#options.surroundings().storage.isOpen;
  }

  /** Cores that sandbox hosts beside Redis get where others keep them from more; Infinity: as many as they want. */
  get hostCores(): number {
    return coresOf(this.#machines(), this.#options.surroundings().storage).hostCores;
  }

  get profiles(): Profiles {
    return this.#profiles;
  }

  /** As calibrated, with corrections by what calls took. */
  get constants(): CostConstants {
    const { constants, storage } = this.#options.surroundings();
    const corrected = this.#corrections.constants(constants, this.#options.nowMs());
    return storage.findsReads ? corrected : { ...corrected, storage: { ...corrected.storage, found: 0 } };
  }

  learnRedis(clocks: RedisClocks): void {
    this.#corrections.learnRedis(clocks, this.#options.surroundings().constants, this.#options.nowMs());
  }

  /** The last step; null before the first. */
  get step(): Step | null {
    return this.#step;
  }

  /** How busy the plan keeps all, as of the last step; nothing is ten seconds after the last call that was heard of. null before the first step. */
  get outlook(): Outlook | null {
    return this.#step && (this.#isIdle() ? NOTHING_BUSY : this.#step.outlook);
  }

  /** Of what the best shares would give by what is known, the part that is missing; as the outlook. */
  get regret(): number | null {
    return this.#step && (this.#isIdle() ? 0 : regretAfter(this.#step));
  }

  /** When it last changed anything that those who follow do; null: it has not yet. */
  get decidedMs(): number | null {
    return this.#decidedMs;
  }

  /** Of one function, the latest last. */
  transitionsOf(name: string): readonly Transition[] {
    return this.#transitions.of(name);
  }

  /** What of a function outlives this controller; null: it is not here. */
  recordOf(name: string): FunctionRecord | null {
    const state = this.#state.get(name);
    return state === undefined ? null : { counters: countersOf(state), transitions: this.#transitions.recorded(name) };
  }

  /** How many were heard of lately. */
  get nodeCount(): number {
    return this.#nodes.size - (this.#nodes.has(DIRECT) ? 1 : 0);
  }

  /** Takes in what a node saw, and decides by it where that is due. */
  take({ node, machine, stretchMs, tallies, inFlight, nodeCores, hostCores }: SampleWindow): void {
    this.#count(node, machine, { inFlight, windowMs: windowMsOf(tallies.length) });
    const told = tallies.filter(isPlausible);
    // A call that comes without a node may be handed to one, so its CPU time is in that node's window.
    const isAlone = !this.#nodes.has(DIRECT);
    const nowMs = this.#options.nowMs();
    this.#corrections.learnNode(
      {
        tallies: told,
        stretchMs: stretchOf(stretchMs),
        nodeCores: isAlone ? nodeCores : null,
        hostCores: isAlone && hostCores !== null ? Math.min(hostCores, machine.cores) : null,
        inFlight: isAlone ? inFlightAt(this.#nodes.values(), nowMs) : Infinity,
      },
      this.#options.surroundings().constants,
      nowMs,
    );
    this.#fold(told, stretchMs, false);
  }

  /** Calls that reached storage without a node. */
  takeDirect({ stretchMs, tallies, inFlight }: DirectWindow): void {
    this.#count(DIRECT, null, { inFlight, windowMs: windowMsOf(tallies.length) });
    const told = tallies.filter(isPlausible);
    this.#corrections.learnDirect(told);
    this.#fold(told, stretchOf(stretchMs), true);
  }

  #fold(tallies: readonly Tally[], stretchMs: number, isDirect: boolean): void {
    // What is left of a version that was replaced ends among the calls of the new one, and tells nothing of it.
    const current = tallies.filter(({ function: name, version }) => {
      const counts = this.#options.currentVersion(name);
      return counts === null || counts === version;
    });
    if (current.length < tallies.length) this.#options.onOtherVersion();
    const nowMs = this.#options.nowMs();
    const { shifted, surging } = this.#profiles.fold(current, nowMs, stretchMs, isDirect);
    for (const name of shifted) this.#shifted.add(name);
    this.#told = { atMs: nowMs, gapMs: Math.min(nowMs - this.#told.atMs, STRETCH_MS_MAX) };
    this.#isHurried ||= surging.length > 0 && this.#isInHurry(surging, nowMs);
    // The next window comes about as long after this one as this one after the one before: the nearer one to the time.
    this.#reviewIn(this.#told.gapMs / 2);
  }

  /** Something is not as it was at the last step. */
  reviewSoon(): void {
    this.#reviewIn(0);
  }

  /** Now, where that is at most so long before its time; else with the first window after it: what comes in these moments is known when one is told, and forgotten by half before the next. */
  #reviewIn(earlyMs: number): void {
    const waitMs = this.#steppedMs + this.#intervalMs() - this.#options.nowMs();
    if (waitMs <= earlyMs) return this.#review();
    clearTimeout(this.#due);
    // Nobody may be called any more.
    this.#due = setTimeout(() => this.#review(), waitMs + this.#longestWindowMs() + WINDOW_MS).unref();
  }

  /** Between two steps that come when it is time for them. */
  #isInHurry(surging: readonly string[], nowMs: number): boolean {
    const step = this.#step;
    if (step === null || this.#usualMs() <= WINDOW_MS) return false;
    if (nowMs < this.#weighAgainMs || !this.#hurries.mayHurry(nowMs)) return false;
    this.#weighAgainMs = nowMs + WINDOW_MS * Math.max(1, surging.length / WEIGHED_PER_WINDOW);
    return fillsPool(surging, step, this.#situation(nowMs));
  }

  /** No window brings a step any more. */
  #isIdle(): boolean {
    return this.#options.nowMs() - this.#told.atMs > ACTIVE_MS;
  }

  close(): void {
    clearTimeout(this.#due);
  }

  /** Of what is urgent the first does not wait for the others. What is so at the next step as well does: among many there is always one. */
  #intervalMs(): number {
    const usualMs = this.#usualMs();
    if (usualMs <= WINDOW_MS) return usualMs;
    if (this.#isHurried) return WINDOW_MS;
    if (!this.#isUrgent()) return usualMs;
    return this.#wasUrgent ? Math.min(usualMs, SOON_MS) : WINDOW_MS;
  }

  #usualMs(): number {
    const { called = 0, isAwaited = false } = this.#step ?? {};
    return clamp(STEP_MS_PER_FUNCTION * called, WINDOW_MS, isAwaited ? SOON_MS : STEP_MS_MAX);
  }

  /** A function that is not what it was, or more callers than usual. */
  #isUrgent(): boolean {
    if (this.#shifted.size > 0) return true;
    const nowMs = this.#options.nowMs();
    // Of many nodes a window comes every moment.
    if (nowMs - this.#grown.atMs >= WINDOW_MS) {
      this.#grown = { atMs: nowMs, times: callersGrown(this.#nodes.values(), nowMs) };
    }
    return this.#grown.times >= CALLERS_GROWN_MIN;
  }

  #review(): void {
    clearTimeout(this.#due);
    this.#due = undefined;
    const { nowMs: clock, onPlacements } = this.#options;
    const nowMs = clock();
    this.#wasUrgent = this.#isUrgent();
    this.#steppedMs = nowMs;
    if (this.#isHurried) this.#hurries.count(nowMs);
    this.#isHurried = false;
    const situation = this.#situation(nowMs);
    this.#shifted.clear();
    const before = this.#state;
    this.#step = advance(before, situation);
    this.#state = this.#step.state;
    this.#profiles.keepOnly(situation.rules);
    this.#transitions.keepOnly(situation.rules);
    this.#tell(this.#step.transitions);
    // A trial is given up though nobody calls any more, and no window brings a step.
    if (isAnyTried(this.#state)) this.#due = setTimeout(() => this.#review(), TRIAL_GIVEN_UP_MS + WINDOW_MS).unref();
    if (!isOther(before, this.#state)) return;
    this.#decidedMs = nowMs;
    onPlacements(this.placements);
  }

  #tell(transitions: readonly Transition[]): void {
    for (const transition of transitions) {
      this.#transitions.add(transition);
      this.#options.onTransition(transition);
    }
  }

  #situation(nowMs: number): Situation {
    const around = this.#options.surroundings();
    return {
      nowMs,
      heardMs: this.#heardMs(nowMs),
      profiles: this.#profiles,
      shifted: new Set(this.#shifted),
      constants: this.constants,
      capacity: this.#capacity(around.storage, nowMs),
      callersGrown: callersGrown(this.#nodes.values(), nowMs),
      rules: this.#options.rules(),
    };
  }

  #count(node: string, machine: Machine | null, window: Parameters<typeof callersAfter>[1]): void {
    const before = this.#nodes.get(node);
    if (before === undefined && this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(node, { machine, ...callersAfter(before, window, this.#options.nowMs()) });
  }

  /** As late as windows of usual length are no step is: only what longer ones keep back is waited for. */
  #heardMs(nowMs: number): number {
    return nowMs - (this.#longestWindowMs() - WINDOW_MS);
  }

  #longestWindowMs(): number {
    let longestMs = WINDOW_MS;
    for (const { windowMs } of this.#nodes.values()) longestMs = Math.max(longestMs, windowMs);
    return longestMs;
  }

  /** Of nodes that had calls lately. */
  #machines(): readonly Machine[] {
    return [...this.#nodes.values()].flatMap(({ machine }) => (machine === null ? [] : [machine]));
  }

  #capacity(storage: Surroundings["storage"], nowMs: number): Capacity {
    for (const [node, { atMs }] of this.#nodes) if (nowMs - atMs > SILENT_MS) this.#nodes.delete(node);
    const { hostCores: _, ...cores } = coresOf(this.#machines(), storage);
    const beyondCalls = this.#corrections.workBeyondCalls(nowMs);
    const left = (all: number): number => Math.max(all / 2, all - beyondCalls);
    const { plainCores } = this.#corrections;
    return {
      ...cores,
      computeCores: left(cores.computeCores),
      storageMachineCores: withoutPlain(cores.storageMachineCores, plainCores),
      sharedCores: withoutPlain(left(cores.sharedCores), plainCores),
      redisThread: Math.max(0.1, 1 - plainCores),
      nodes: Math.max(1, this.nodeCount),
      callers: inFlightAt(this.#nodes.values(), nowMs),
    };
  }
}

/** Window lengths as they can be: who writes windows may write anything. */
const stretchOf = (stretchMs: number): number => clamp(stretchMs, WINDOW_MS, STRETCH_MS_MAX);

/** Of cores that plain clients have Redis' thread on; of each a tenth at least, as of the thread. */
const withoutPlain = (cores: number, plainCores: number): number => Math.max(cores / 10, cores - plainCores);

/** Nodes on one machine share its cores; where all share with Redis, so do the two sides. Where one does it is among those who have cores there, and what it works is known otherwise. */
function coresOf(
  nodes: readonly Machine[],
  { machine: storage, isolatesMax, isOpen, hostCores: got }: Surroundings["storage"],
): Omit<Capacity, "redisThread" | "nodes" | "callers"> & Pick<Surroundings["storage"], "hostCores"> {
  const cpusById = new Map<string, Set<number>>();
  const coresById = new Map<string, number>();
  for (const { id, cpus, cores } of nodes) {
    const all = cpusById.get(id) ?? new Set<number>();
    for (const cpu of cpus) all.add(cpu);
    cpusById.set(id, all);
    coresById.set(id, Math.min(all.size, (coresById.get(id) ?? 0) + cores));
  }
  const computeCores = [...coresById.values()].reduce((sum, cores) => sum + cores, 0);
  const beside = storage === null ? undefined : cpusById.get(storage.id);
  const sharesSome = storage !== null && storage.cpus.some((cpu) => beside?.has(cpu));
  const isShared = sharesSome && cpusById.size === 1;
  // What is not known yet is taken for one core: little, and not nothing.
  const storageCores = storage?.cores ?? 1;
  const wanted = Math.min(storageCores, isolatesMax);
  const hostCores = sharesSome || got >= wanted ? Infinity : Math.max(storageCores / 10, got);
  return {
    hostCores,
    computeCores: Math.max(1, computeCores),
    // Each of its hosts' threads computes for one call; Redis' own thread and what serves them are besides.
    storageCores: isOpen ? Math.min(wanted, hostCores) : 0,
    storageMachineCores: Math.max(1, storageCores),
    sharedCores: isShared ? new Set([...storage.cpus, ...(beside ?? [])]).size : Infinity,
  };
}

/** Without what else the controller keeps of it. */
const placementOf = (state: FunctionState): Placement => {
  const { running } = state.trials;
  const place = placeOf(state);
  return running === null || running.shown !== null ? place : { ...place, fromShare: running.fromShare };
};

const isAnyTried = (state: ControllerState): boolean =>
  state.values().some(({ trials: { running } }) => running !== null);

/** Whether those who follow have something to follow anew. */
function isOther(before: ControllerState, after: ControllerState): boolean {
  if (before.size !== after.size) return true;
  for (const [name, placement] of after) if (!isSamePlacement(before.get(name), placement)) return true;
  return false;
}
