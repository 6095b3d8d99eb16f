// Whether a function is called, and what is so when it is again. While nobody calls it nothing comes of what is known of it, and what was tried in vain
// costs nothing: what holds for a time holds for a time in which it is called. So for one that is called for a second now and then time passes slower
// in between.

import { SLOT_MS } from "#runtime/profile/calls-by-time.ts";
import type { Pause } from "#runtime/profile/coming-calls.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { cameIn, EXPECTED_MIN, meanUs, PIECE_MS } from "./before-and-since.ts";
import type { FunctionState } from "./function-state.ts";
import type { Trials } from "./trials.ts";

/** Not called for so long: nothing to decide. */
export const ACTIVE_MS = 10_000;
/** How often a function is called is told by so long. */
const KNOWN_MS = 1_000;
/** Between the ends of calls that run together there is no more than they take, and half of that. */
export const WAVES = 1.5;
/** So much of a pause counts: what was tried in vain is tried again some time, however seldom calls come. Chosen. */
const COUNTED = 0.1;
/** For so long loads are taken for as long as one that ended in a trial. Chosen: as what comes to nothing again and again is not tried again (BACK_OFF_MS_MAX). */
const PAUSED_IN_MS = 60_000;

/** Whether nobody calls it any more, as far as that was heard of until then: no call has come for longer than there is between two. */
export function hasStopped(profile: FunctionProfile, heardMs: number): boolean {
  const quietMs = heardMs - profile.calledMs;
  // To the slot of the last one, and with it.
  return quietMs > PIECE_MS && quietMs > betweenCallsMs(profile, profile.calledMs + SLOT_MS);
}

/**
 * Between the ends of two calls of a function that is called there is no more, by those of the second before a time: PIECE_MS, or, of calls that are long or seldom and may
 * come in waves, what they take or in which some are to be expected. Infinity: they are too few to tell.
 */
export function betweenCallsMs({ byTime }: FunctionProfile, atMs: number): number {
  const lately = byTime.between(atMs - KNOWN_MS, atMs);
  const calls = cameIn(lately);
  if (calls < EXPECTED_MIN) return Infinity;
  const takesMs = (WAVES * (meanUs(lately) ?? 0)) / 1e3;
  return Math.max(PIECE_MS, takesMs, (EXPECTED_MIN * KNOWN_MS) / calls);
}

/** As it was before a pause, where its calls have come back after one; the same state where they have not. A tenth of its first ten seconds counts, and all beyond. */
export function afterPause(before: FunctionState, { pause }: FunctionProfile): FunctionState {
  // What was before its calls are what they are says nothing of these.
  if (pause === null || pause.toMs <= Math.max(before.resumedMs, before.sinceMs)) return before;
  const { fromMs, toMs: resumedMs } = pause;
  const laterMs = (1 - COUNTED) * Math.min(resumedMs - fromMs, ACTIVE_MS);
  const later = (untilMs: number): number => (untilMs > fromMs ? untilMs + laterMs : untilMs);
  const { relief, trials, retryAtMs, doublesUntilMs, regimes } = before;
  const { held, pausedIn } = trials;
  // What has been so since before it has been so for less.
  const doubted = held?.doubtedMs === undefined ? {} : { doubtedMs: Math.min(resumedMs, held.doubtedMs + laterMs) };
  return {
    ...before,
    resumedMs,
    retryAtMs: later(retryAtMs),
    doublesUntilMs: later(doublesUntilMs),
    relief: relief === null ? null : { ...relief, untilMs: later(relief.untilMs) },
    trials: {
      ...trials,
      pausedIn: cutShort(trials, pause) ?? (pausedIn && { ...pausedIn, untilMs: later(pausedIn.untilMs) }),
      held: held && { ...held, ...doubted, untilMs: later(held.untilMs), firmUntilMs: later(held.firmUntilMs) },
      backOffs: new Map(Array.from(trials.backOffs, ([key, one]) => [key, { ...one, untilMs: later(one.untilMs) }])),
    },
    // What calls are was not seen meanwhile.
    regimes: regimes.knownMs > fromMs ? regimes : { ...regimes, knownMs: regimes.knownMs + resumedMs - fromMs },
  };
}

/** One was running when its calls came back, or has ended without a verdict since they went, or just before their last was heard of. null: there was none. */
function cutShort({ running, untoldMs }: Trials, { sinceMs, fromMs, toMs }: Pause): Trials["pausedIn"] {
  const isCut = running !== null || untoldMs > fromMs - PIECE_MS;
  return isCut ? { cameForMs: fromMs - sinceMs, untilMs: toMs + PAUSED_IN_MS } : null;
}

/**
 * How much later than it was trials are paid: by what is done, and before this step nothing was for a while of what they are made of. 0 where a function whose trials have cost something was called meanwhile.
 */
export function paidLaterMs(
  before: ReadonlyMap<string, FunctionState>,
  profiles: { get(name: string): FunctionProfile | undefined },
): number {
  let toMs = Infinity;
  const ends: { readonly pause: Pause | null; readonly calledMs: number }[] = [];
  for (const [name, { resumedMs, sinceMs, trials }] of before) {
    const profile = trials.paidMs > -Infinity ? profiles.get(name) : undefined;
    if (profile === undefined) continue;
    const { pause, calledMs } = profile;
    ends.push({ pause, calledMs });
    if (pause !== null && pause.toMs > Math.max(resumedMs, sinceMs)) toMs = Math.min(toMs, pause.toMs);
  }
  if (toMs === Infinity) return 0;
  const lastMs = ends.map(({ pause, calledMs }) =>
    pause !== null && pause.toMs >= toMs ? pause.fromMs : Math.min(calledMs, toMs),
  );
  return toMs - Math.max(...lastMs);
}
