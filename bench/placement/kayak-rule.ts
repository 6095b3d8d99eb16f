// The rule of Kayak (You, Wu, Hu, Chowdhury, Madhyastha, Stutsman: Ship Compute or Ship Data? Why Not Both?, USENIX NSDI 2021), from
// its artifact (SymbioticLab/Kayak 1e09ed4, splinter/src/bin/client/pushback-kayak.rs).
//
// One number X for all that a client does: the percentage of calls that run at the store, drawn for each call. Every period X goes up
// the gradient of the rate of replies: by 2 Δrate ÷ ΔX, at least one point and, where that is above 20, by five. It starts at 100, does
// not step beyond the ends, and never rests.
//
// Its other loop bounds the calls in flight so that the 99th percentile stays under 100 µs; functions of milliseconds would hold it at
// its floor of two, and throughput with it. Here, in its favour, the window stays as it starts, at 16 callers. The artifact looks every
// 40,000 replies, tenths of a second at its rates, and counts rates in thousands; with a thousandth of those rates it would not move
// within a run. So the period is that time, and rates are counted in thousandths of the first, which gives its constants their meaning.

import type { Rule } from "./rule.ts";

const START_PERCENT = 100;
const PERIOD_MS = 100;
/** … and so many replies, of which its percentile was made. */
const REPLIES_MIN = 100;
const GAIN = 2;
const STEP_MIN = 1;
const GRADIENT_MAX = 20;
const STEP_BEYOND = 5;

export function kayakRule(random: () => number): Rule {
  let percent = START_PERCENT;
  let before: { readonly percent: number; readonly rate: number } | null = null;
  let first = 0;
  let replies = 0;
  let sinceMs: number | null = null;

  const step = (rate: number): void => {
    const gradient = before === null ? Number.NaN : (GAIN * (rate - before.rate)) / (percent - before.percent);
    before = { percent, rate };
    const next = percent + stepOf(gradient);
    if (next >= 0 && next <= 100) percent = next;
  };
  return {
    choose: () => (100 * random() < percent ? "storage" : "compute"),
    observe({ atMs }) {
      sinceMs ??= atMs;
      replies += 1;
      const ms = atMs - sinceMs;
      if (ms < PERIOD_MS || replies < REPLIES_MIN) return;
      const perSecond = (replies * 1e3) / ms;
      if (first === 0) first = perSecond;
      step((1e3 * perSecond) / first);
      replies = 0;
      sinceMs = atMs;
    },
    resume() {
      // A rate over the pause would be none.
      replies = 0;
      sinceMs = null;
    },
  };
}

function stepOf(gradient: number): number {
  // At first nothing is known: downwards, since 100 leaves no other way.
  if (Number.isNaN(gradient)) return -STEP_BEYOND;
  if (Math.abs(gradient) < STEP_MIN) return gradient < 0 ? -STEP_MIN : STEP_MIN;
  return Math.abs(gradient) > GRADIENT_MAX ? Math.sign(gradient) * STEP_BEYOND : gradient;
}
