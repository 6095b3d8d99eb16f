// Why a function stays where it is, or moves: derived from the numbers that decide, by the same functions.

import { counted } from "#runtime/counted.ts";
import { durationText, percentText } from "#runtime/figures.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { ControllerState } from "./controller.ts";
import { VISITS_MIN } from "./function-costs.ts";
import { fitsRoom, freeRoom } from "./isolate-room.ts";
import { backOffLeftMs, type BackOffKey } from "./memory.ts";
import { outlookOf, type Outlook } from "./optimal-shares.ts";
import { homeOf } from "./plan.ts";
import { POOL_NAMES, type PoolUse } from "./pool-use.ts";
import { GAIN_MIN, latencyGain } from "./proposal.ts";
import type { Gain } from "./transition.ts";
import { gainingSide, shareAt, sharesOf, type FunctionView } from "./view.ts";

/** `there`: the side with less of the calls. */
export type Standing =
  | { readonly kind: "pinned" }
  | { readonly kind: "profiling"; readonly calls: number }
  | { readonly kind: "idle" }
  /** All calls run on a side for a moment. */
  | { readonly kind: "tried"; readonly side: Side; readonly partner: string | null }
  /** Its last move is being verified. */
  | { readonly kind: "verified" }
  /** The other side is not used: storage runs nothing, or the bound on the 99th percentile is exceeded there. */
  | { readonly kind: "closed"; readonly boundUs: number | null; readonly p99Us: number | null; readonly leftMs: number }
  /** The other side is slower. */
  | { readonly kind: "faster" }
  /** The other side is faster, but by less than the figures may be wrong by. */
  | { readonly kind: "slight"; readonly gain: Gain; readonly needed: number }
  /** The other side is faster, but has no room for its isolate. `room`: functions that it has room for. */
  | { readonly kind: "no-room"; readonly room: number; readonly functions: number }
  /** The other side is faster, and waits for visits. */
  | { readonly kind: "cold" }
  /** The other side is faster by the model, but moving there failed lately. */
  | { readonly kind: "backed-off"; readonly isTrial: boolean; readonly leftMs: number }
  /** The other side is faster, but a pool would be busier. */
  | { readonly kind: "capacity"; readonly now: Outlook; readonly moved: Outlook }
  /** It moves with the next step. */
  | { readonly kind: "moving" };

export function standingOf(
  view: FunctionView,
  views: readonly FunctionView[],
  use: PoolUse,
  { experiment }: ControllerState,
): Standing {
  const { name, state, share, closed, rules, p99Us, costs, isIdle, isWarm } = view;
  if (state.state === "pinned") return { kind: "pinned" };
  if (state.state === "profiling") {
    return { kind: "profiling", calls: costs.sides.compute.calls + costs.sides.storage.calls };
  }
  const change = experiment?.changes.find((one) => one.name === name);
  if (experiment !== null && change !== undefined && experiment.kind !== "checking") {
    if (experiment.kind === "verifying") return { kind: "verified" };
    const partner = experiment.changes.find((one) => one.name !== name)?.name ?? null;
    return { kind: "tried", side: gainingSide(change.from, change.to), partner };
  }
  if (isIdle) return { kind: "idle" };
  const here = homeOf({ share });
  const there = otherSide(here);
  const left = (key: BackOffKey): number => backOffLeftMs(state.memory, key);
  if (closed[there]) {
    const boundUs = p99Us && rules.p99UnderUs;
    return { kind: "closed", boundUs, p99Us: p99Us && p99Us[there], leftMs: left(`${there} bound`) };
  }
  const gain = latencyGain(view, shareAt(there));
  const saved = 1 - gain.to / gain.from;
  if (saved <= 0) return { kind: "faster" };
  const needed = Math.max(GAIN_MIN, gain.error);
  if (saved <= needed) return { kind: "slight", gain, needed };
  const shares = sharesOf(views);
  const index = views.findIndex((one) => one.name === name);
  const movedShares = shares.with(index, shareAt(there));
  if (!fitsRoom(use.room, shares, movedShares)) {
    return { kind: "no-room", room: use.room[there], functions: use.room[there] - freeRoom(use.room, shares)[there] };
  }
  if (!isWarm[there]) return { kind: "cold" };
  const [now, moved] = [outlookOf(use, shares), outlookOf(use, movedShares)];
  if (moved.crowded && moved.busiest > now.busiest) return { kind: "capacity", now, moved };
  for (const key of ["plan", there] as const) {
    if (left(key) > 0) return { kind: "backed-off", isTrial: key !== "plan", leftMs: left(key) };
  }
  return now.crowded ? { kind: "capacity", now, moved } : { kind: "moving" };
}

/** One sentence. */
export function standingText(standing: Standing, share: number): string {
  const here = homeOf({ share });
  const there = otherSide(here);
  const stays = share <= 0 || share >= 1 ? `It stays at ${here}` : `${percentText(share)} of its calls stay at storage`;
  switch (standing.kind) {
    case "pinned":
      return "It is pinned.";
    case "profiling": {
      const calls = counted(Math.round(standing.calls), "call");
      return `${stays} until ${VISITS_MIN} calls are measured; there are ${calls} so far.`;
    }
    case "idle":
      return `${stays}: nobody calls it now.`;
    case "tried": {
      const { side, partner } = standing;
      const swap = partner === null ? "" : `, and those of ${partner} on the other side`;
      return `A trial runs: for a moment all of its calls run at ${side}${swap}.`;
    }
    case "verified":
      return "It has just moved, and the effect on all calls is being measured.";
    case "closed": {
      const { boundUs, p99Us, leftMs } = standing;
      if (boundUs === null || p99Us === null) return `${stays}: ${there} runs no calls now.`;
      const bound = `its p99 bound of ${durationText(boundUs)}`;
      return leftMs > 0
        ? `${stays}: ${there} exceeded ${bound}, and is closed for ${durationText(leftMs * 1e3)} more with calls.`
        : `${stays}: ${there} exceeds ${bound} with ${durationText(p99Us)}.`;
    }
    case "faster":
      return `${stays}: ${there} is slower.`;
    case "slight": {
      const { gain, needed } = standing;
      const saved = percentText(1 - gain.to / gain.from);
      const but =
        needed > GAIN_MIN ? `the figures may be wrong by ${percentText(needed)}` : "that is too little for a move";
      return `${stays}: ${there} would save ${saved} of a call's time, but ${but}.`;
    }
    case "no-room": {
      const { room, functions } = standing;
      return `${stays}: ${there} has memory for the isolates of ${counted(room, "function")}, and ${functions} run there.`;
    }
    case "cold":
      return `${stays} until ${VISITS_MIN} calls have visited ${there} and compiled its code there.`;
    case "backed-off": {
      const what = standing.isTrial
        ? `a trial at ${there} made calls no shorter`
        : "its share changed a moment ago, or a change was taken back";
      return `${stays}: ${what}. It may move after ${durationText(standing.leftMs * 1e3)} more with calls.`;
    }
    case "capacity": {
      const { now, moved } = standing;
      const busiest = busiestPool(moved);
      const [from, to] = [now.utilisation[busiest], moved.utilisation[busiest]];
      return `${stays}: with it at ${there}, ${POOL_NAMES[busiest]} would be ${percentText(to)} busy instead of ${percentText(from)}.`;
    }
    case "moving":
      return `It is about to move to ${there}, where a call takes less time.`;
    default:
      return standing satisfies never;
  }
}

function busiestPool({ utilisation }: Outlook): Exclude<keyof typeof utilisation, "callers"> {
  const { callers: _, ...machines } = utilisation;
  const pools = Object.keys(machines) as (keyof typeof machines)[];
  return pools.reduce((most, pool) => (machines[pool] > machines[most] ? pool : most));
}
