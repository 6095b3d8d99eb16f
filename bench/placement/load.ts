// A load on a node: calls in the order of a schedule, sides by a rule, by callers who wait for their
// answers (closed) or at times that nobody waits for (open). What came of each call is kept in columns, to be reckoned with later.

import { setTimeout as sleep } from "node:timers/promises";
import type { Call, Reply } from "#compute/node/invoker.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import type { GuestError } from "#runtime/sandbox/supervisor.ts";
import { sharesRule, type Rule } from "./rule.ts";
import type { Shares } from "./best-shares.ts";
import { Schedule, type Part, type Scheduled } from "./schedule.ts";

/** What a load has to know of a reply. */
export type Answer = Pick<Reply, "side" | "reason" | "usage"> &
  ({ readonly ok: true } | { readonly ok: false; readonly error: Pick<GuestError, "code" | "message"> });

/** Of a call that no side has run, as far as whoever asked is told. */
export const refused = (code: ErrorCode, message: string): Answer => ({
  ok: false,
  side: null,
  reason: null,
  usage: null,
  error: { code, message },
});

/** Who is loaded: a node's invoker, or whoever passes calls on to one. */
export interface Loaded {
  invoke(call: Call): Promise<Answer>;
}

/** A stretch of a load during which it is the same. */
export interface Phase {
  readonly ms: number;
  readonly parts: readonly Part[];
  /** Closed: so many calls are in flight. Open: so many come a second, at random times. */
  readonly arrivals: { readonly callers: number } | { readonly perSecond: number };
  /** Where calls run in this phase, whatever the rule of the run says. */
  readonly shares?: Shares;
}

/** All calls of a run that ended, in the order in which they ended. */
export interface Calls {
  /** From the run's beginning. */
  readonly endMs: Float64Array;
  readonly elapsedUs: Float64Array;
  /** Its place among the parts of its phase. */
  readonly part: Uint8Array;
  /** Among the calls of its part, in the order in which they were made. */
  readonly number: Uint32Array;
  /** 1 where it ran at storage. */
  readonly atStorage: Uint8Array;
  /** 1 where it ran there only to see how it does. */
  readonly isProbe: Uint8Array;
  /** 1 where it went well. */
  readonly ok: Uint8Array;
  /** Of those that did not, by code, the first. */
  readonly firstErrors: Readonly<Partial<Record<ErrorCode, string>>>;
}

/** Throws where calls failed otherwise than because a node was full, or they waited there for too long, as may be where nobody waits for answers. */
export function assertOnlyRefused(what: string, { firstErrors, ok }: Calls, arrivals: Phase["arrivals"]): void {
  const { OVERLOADED: refusal, DEADLINE_EXCEEDED: late, ...failures } = firstErrors;
  const [failure = "callers" in arrivals ? (refusal ?? late) : undefined] = Object.values(failures);
  if (failure === undefined) return;
  const failed = ok.reduce((count, one) => (one === 1 ? count : count + 1), 0);
  throw new Error(`${what}: ${failed} of ${ok.length} calls failed: ${failure}`);
}

/** How often an open load looks whether calls are due. */
const TICK_MS = 1;

class Recorder {
  readonly #startedMs = performance.now();
  readonly #endMs: number[] = [];
  readonly #elapsedUs: number[] = [];
  readonly #part: number[] = [];
  readonly #number: number[] = [];
  readonly #atStorage: number[] = [];
  readonly #isProbe: number[] = [];
  readonly #ok: number[] = [];
  readonly #firstErrors: Partial<Record<ErrorCode, string>> = {};

  add({ part, number }: Scheduled, reply: Answer, elapsedUs: number, nowMs: number): void {
    this.#endMs.push(nowMs - this.#startedMs);
    this.#elapsedUs.push(elapsedUs);
    this.#part.push(part);
    this.#number.push(number);
    this.#atStorage.push(reply.side === "storage" ? 1 : 0);
    this.#isProbe.push(reply.reason === "probe" || reply.reason === "trial" ? 1 : 0);
    this.#ok.push(reply.ok ? 1 : 0);
    if (!reply.ok) this.#firstErrors[reply.error.code] ??= `${reply.error.code}: ${reply.error.message}`;
  }

  calls(): Calls {
    return {
      endMs: Float64Array.from(this.#endMs),
      elapsedUs: Float64Array.from(this.#elapsedUs),
      part: Uint8Array.from(this.#part),
      number: Uint32Array.from(this.#number),
      atStorage: Uint8Array.from(this.#atStorage),
      isProbe: Uint8Array.from(this.#isProbe),
      ok: Uint8Array.from(this.#ok),
      firstErrors: this.#firstErrors,
    };
  }
}

/** One phase after the other; resolves when the last call has ended. */
export async function runLoad(
  invoker: Loaded,
  phases: readonly Phase[],
  ruleOfRun: Rule,
  random: () => number,
): Promise<Calls> {
  let rule = ruleOfRun;
  const recorder = new Recorder();
  const schedule = new Schedule([]);
  const make = async (): Promise<void> => {
    const scheduled = schedule.next();
    const { function: name, call } = scheduled;
    const startedMs = performance.now();
    const side = rule.choose(name);
    const reply = await invoker.invoke({ function: name, version: null, ...call, side, deadlineMs: null, logs: false });
    const atMs = performance.now();
    const elapsedUs = (atMs - startedMs) * 1e3;
    recorder.add(scheduled, reply, elapsedUs, atMs);
    const ran = reply.side ?? side;
    if (ran !== null) rule.observe({ function: name, side: ran, elapsedUs, usage: reply.usage, ok: reply.ok, atMs });
    // A refusal comes at once: without a pause its caller would keep the event loop for himself.
    if (!reply.ok) await sleep(TICK_MS);
  };
  const inFlight = new Set<Promise<void>>();
  const start = (one: () => Promise<void>): void => {
    const running: Promise<void> = one().finally(() => inFlight.delete(running));
    inFlight.add(running);
  };
  const callers = { there: 0, wanted: 0 };
  const caller = async (): Promise<void> => {
    while (callers.there <= callers.wanted) await make();
    callers.there -= 1;
  };
  for (const { ms, parts, arrivals, shares } of phases) {
    schedule.follow(parts);
    rule = shares === undefined ? ruleOfRun : sharesRule(shares);
    callers.wanted = "callers" in arrivals ? arrivals.callers : 0;
    for (; callers.there < callers.wanted; callers.there++) start(caller);
    if ("callers" in arrivals) await sleep(ms);
    else await arrive(arrivals.perSecond, performance.now() + ms, random, () => start(make));
  }
  callers.wanted = 0;
  await Promise.all(inFlight);
  return recorder.calls();
}

/** At times that are exponentially apart: calls of many who know nothing of each other. */
async function arrive(perSecond: number, untilMs: number, random: () => number, call: () => void): Promise<void> {
  let dueMs = performance.now();
  while (performance.now() < untilMs) {
    const nowMs = performance.now();
    for (; dueMs <= nowMs; dueMs -= (Math.log(1 - random()) * 1e3) / perSecond) call();
    await sleep(TICK_MS);
  }
}
