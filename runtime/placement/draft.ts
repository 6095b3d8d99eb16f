// The states that a step of the controller comes to, while they are made, and the transitions on the way.

import { restingState, type Change, type FunctionState } from "./function-state.ts";
import { backOff, stayMs, type BackOffKey } from "./memory.ts";
import { NO_OVERFLOW } from "./overflow.ts";
import type { Transition, Why } from "./transition.ts";

export class Draft {
  readonly functions = new Map<string, FunctionState>();
  readonly transitions: Transition[] = [];
  /** Functions that should move, but whose code is not warm on the other side. */
  readonly cold = new Set<string>();
  /** When any share last changed. */
  changedMs: number;
  readonly nowMs: number;

  constructor(changedMs: number, nowMs: number) {
    this.changedMs = changedMs;
    this.nowMs = nowMs;
  }

  of(name: string): FunctionState {
    return this.functions.get(name)!;
  }

  put(name: string, from: FunctionState | undefined, { to, why }: Change): void {
    this.functions.set(name, to);
    if (why === null) return;
    const { state: fromState, share: fromShare } = from ?? to;
    const change = { from: fromState, to: to.state, fromShare, toShare: to.share, why };
    this.transitions.push({ atMs: this.nowMs, function: name, ...change });
  }

  /** A change of the share. `counts`: the counter that it adds to, if any. */
  move(name: string, share: number, why: Why, counts: "moves" | "reverts" | "trials" | null): void {
    const { fromShare: _, ...from } = this.of(name);
    const to: FunctionState = {
      ...from,
      share,
      state: from.state === "profiling" ? from.state : restingState(share),
      probeEvery: 0,
      ...NO_OVERFLOW,
      ...(counts !== null && { [counts]: from[counts] + 1 }),
      memory: { ...from.memory, movedMs: this.nowMs },
    };
    this.put(name, from, { to, why });
    this.changedMs = this.nowMs;
  }

  /** It has moved: it backs off for as long as it should stay, and for `minMs` at least. */
  stay(name: string, key: BackOffKey, minMs = 0): void {
    const { memory, sinceMs } = this.of(name);
    this.backOff(name, key, Math.max(minMs, stayMs(memory, sinceMs, this.nowMs)));
  }

  backOff(name: string, key: BackOffKey, minMs: number): void {
    const state = this.of(name);
    this.functions.set(name, { ...state, memory: backOff(state.memory, key, minMs) });
  }
}
