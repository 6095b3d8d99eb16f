// What policies have in common that decide nothing but how long idle instances stay: a start for each call that finds none, nothing
// foreseen, and the least recently used goes first where room is short.

import { NOTHING_WARM, type FunctionPolicy, type PoolView, type WarmPlan } from "./policy.ts";

export abstract class KeepAliveFunction implements FunctionPolicy {
  abstract arrived(nowMs: number): void;
  abstract keepAliveMs(idle: number, nowMs: number): number;
  abstract save(): unknown;

  startsFor({ waiting, starting, unplaced }: PoolView): number {
    return waiting - starting - unplaced;
  }

  reconsiderAtMs(): number {
    return Infinity;
  }

  started(_startMs: number): void {}

  ended(_executionMs: number, _nowMs: number): void {}

  left(_nowMs: number): void {}

  waited(): void {}

  worth(nowMs: number): number {
    return nowMs;
  }

  evicted(_worth: number, _pool: PoolView): void {}

  nextPlanMs(): number {
    return Infinity;
  }

  plan(): WarmPlan {
    return NOTHING_WARM;
  }

  forecastError(): null {
    return null;
  }
}
