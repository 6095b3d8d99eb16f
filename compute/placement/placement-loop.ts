// The loop around the decider: windows in, placements out. Runs in the node that controls; all that it decides is decided by
// `runtime/placement/controller.ts`, from what is gathered here.

import {
  advance,
  type ControllerState,
  type Rules,
  type Step,
  type Transition,
} from "#runtime/placement/controller.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { Capacity } from "#runtime/placement/optimal-shares.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import type { SampleWindow } from "./sample-window.ts";

/** Transitions that are kept to be asked for; each is a few hundred bytes. */
const TRANSITIONS_KEPT_MAX = 1_024;
/** Calls in flight are averaged over about this time: a window sees those of one moment. */
const IN_FLIGHT_HALF_LIFE_MS = 250;

interface LoopOptions {
  /** By function: those that are deployed, with what was said about them. */
  readonly rules: () => ReadonlyMap<string, Rules>;
  readonly capacity: () => Omit<Capacity, "callers">;
  readonly constants: () => CostConstants;
  readonly onPlacements: (placements: ReadonlyMap<string, Placement>) => void;
  readonly onTransition: (transition: Transition) => void;
  readonly nowMs: () => number;
}

/** Of a node: what it had in flight lately. */
interface InFlight {
  readonly calls: number;
  readonly atMs: number;
}

export class PlacementLoop {
  readonly #options: LoopOptions;
  readonly #profiles = new Profiles();
  readonly #inFlight = new Map<string, InFlight>();
  readonly #transitions: Transition[] = [];
  #state: ControllerState = new Map();
  #step: Step | null = null;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  get state(): ControllerState {
    return this.#state;
  }

  get profiles(): Profiles {
    return this.#profiles;
  }

  /** The last step; null before the first call. */
  get step(): Step | null {
    return this.#step;
  }

  /** The latest ones last. */
  transitions(): readonly Transition[] {
    return this.#transitions;
  }

  /** Takes in what a node saw and decides anew. */
  take({ node, stretchMs, tallies, inFlight }: SampleWindow): void {
    const { nowMs: clock, rules, capacity, constants, onPlacements, onTransition } = this.#options;
    const nowMs = clock();
    this.#countInFlight(node, inFlight, nowMs);
    const shifted = new Set(this.#profiles.fold(tallies, nowMs, stretchMs));
    const situation = {
      nowMs,
      profiles: this.#profiles,
      shifted,
      constants: constants(),
      capacity: { ...capacity(), callers: this.#callers(nowMs) },
      rules: rules(),
    };
    const before = this.#state;
    this.#step = advance(before, situation);
    this.#state = this.#step.state;
    this.#profiles.keepOnly(new Set(situation.rules.keys()));
    for (const transition of this.#step.transitions) {
      this.#transitions.push(transition);
      onTransition(transition);
    }
    this.#transitions.splice(0, this.#transitions.length - TRANSITIONS_KEPT_MAX);
    if (isOther(before, this.#state)) onPlacements(this.#state);
  }

  #countInFlight(node: string, calls: number, atMs: number): void {
    const before = this.#inFlight.get(node);
    const weight = before === undefined ? 0 : 2 ** (-(atMs - before.atMs) / IN_FLIGHT_HALF_LIFE_MS);
    this.#inFlight.set(node, { calls: weight * (before?.calls ?? 0) + (1 - weight) * calls, atMs });
  }

  /** A node that is silent has none, and is forgotten. */
  #callers(nowMs: number): number {
    let callers = 0;
    for (const [node, { calls, atMs }] of this.#inFlight) {
      const weight = 2 ** (-(nowMs - atMs) / IN_FLIGHT_HALF_LIFE_MS);
      if (weight < 1e-3) this.#inFlight.delete(node);
      callers += weight * calls;
    }
    return callers;
  }
}

/** Whether those who follow have something to follow anew. */
function isOther(before: ControllerState, after: ControllerState): boolean {
  if (before.size !== after.size) return true;
  for (const [name, { state, share, probeEvery }] of after) {
    const was = before.get(name);
    if (was?.state !== state || was.share !== share || was.probeEvery !== probeEvery) return true;
  }
  return false;
}
