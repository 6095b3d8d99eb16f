// Fixed keep-alive: an idle instance stays for so long, whatever its function does. Nothing is started ahead, and no call waits for a busy
// instance. With a look every 10 s and 5 minutes it is the reference of the 2023 contest ("simple"): idle instances are looked at every
// 10 s from the function's first call on, and those idle for more than 5 minutes end.

import { KeepAliveFunction } from "./keep-alive-function.ts";
import type { Policy } from "./policy.ts";

export interface FixedKeepAlive {
  readonly keepAliveMs: number;
  /** How often idle instances are looked at; 0: each is ended at its own time. */
  readonly lookEveryMs: number;
}

export const REFERENCE: FixedKeepAlive = { keepAliveMs: 300_000, lookEveryMs: 10_000 };

export const fixedKeepAlive = (name: string, keepAlive: FixedKeepAlive): Policy => ({
  name,
  sharesStarts: false,
  attach: () => {},
  follow: () => new FixedFunction(keepAlive),
  save: () => null,
  restore: () => {},
});

class FixedFunction extends KeepAliveFunction {
  readonly #keepAlive: FixedKeepAlive;
  /** Looks are counted from the first call on. */
  #firstMs: number | null = null;

  constructor(keepAlive: FixedKeepAlive) {
    super();
    this.#keepAlive = keepAlive;
  }

  arrived(nowMs: number): void {
    this.#firstMs ??= nowMs;
  }

  keepAliveMs(_idle: number, nowMs: number): number {
    const { keepAliveMs, lookEveryMs } = this.#keepAlive;
    if (lookEveryMs === 0 || keepAliveMs === Infinity) return keepAliveMs;
    const firstMs = this.#firstMs ?? nowMs;
    // The first look at which it has been idle for longer than that.
    const looks = Math.floor((nowMs + keepAliveMs - firstMs) / lookEveryMs) + 1;
    return firstMs + looks * lookEveryMs - nowMs;
  }

  save(): null {
    return null;
  }
}
