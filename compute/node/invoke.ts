// The way of one call through a node, in four steps: admit (bounded, with a deadline) → choose a side → run there →
// account for it. The gateway calls it; the sides do the work; placement says which.

import { randomBytes } from "node:crypto";

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { ARGS_BYTES_MAX, type FunctionDescription, type Limits } from "#runtime/function/description.ts";
import { chooseSide, type PlannedSide, type SideChoice, type SideReason } from "#runtime/placement/choose-side.ts";
import type { Sample, Side } from "#runtime/profile/sample.ts";
import { expectText } from "./call-keys.ts";
import { withDeadline } from "./deadline.ts";
import type { FunctionCache } from "./function-cache.ts";
import type { Call, Invoker, PushedBackRun, Reply } from "./invoker.ts";
import { limitText } from "./limit-text.ts";
import { isCommandDenied } from "./redis-error.ts";
import { SideNotReached, type AdmittedCall, type PushedBack, type SideReply, type SideRunner } from "./side-runner.ts";

/** A look-up of an unknown function waits for the registry at most this long: it alone tells the function's deadline, which may be a millisecond, and no answer may come later than a second after the deadline (docs/reliability.md). Chosen: a tenth of that second is left for the rest of the way. */
const FIND_TIMEOUT_MS = 900;
/** Where the user that functions run as lacks the right to run at storage nothing is meant to run there for so long, and then one call asks again. Chosen. */
const BARRED_MS = 1_000;

/** Who keeps account of calls: for each call `ran` or `refused` is called, once. Must not throw. */
export interface CallObserver {
  /** A sandbox had it. `elapsedUs` and `id` as in `Reply`; `beforeUs` of it were before it was pushed back from the other side. */
  ran(sample: Sample, elapsedUs: number, logs: readonly string[], id: string, beforeUs: number): void;
  /** Before that: what it used at storage until it was pushed back. */
  pushedBack(sample: Sample, elapsedUs: number): void;
  /** It ended before a sandbox had it. */
  refused(code: ErrorCode): void;
}

interface NodeInvokerOptions {
  readonly functions: FunctionCache;
  /** null: nothing is planned for the function of that name. */
  readonly plannedSide: (name: string) => PlannedSide | null;
  readonly sides: Readonly<Record<Side, SideRunner>>;
  /** Calls in this node at once, at most; one more is refused with OVERLOADED. */
  readonly inFlightMax: number;
  readonly observers: readonly CallObserver[];
  /** A clock that is never set back: what deadlines and elapsed times are measured by. */
  readonly nowMs: () => number;
}

/** By what it is known, and how it came to where it ended. */
type Way = Pick<Reply, "id" | "sentUs" | "pushedBack">;

type Refused = Extract<Reply, { readonly ok: false }>;

/** Where a call runs, and why there. */
interface Place {
  readonly side: Side;
  readonly reason: SideReason;
}

export class NodeInvoker implements Invoker {
  readonly #functions: FunctionCache;
  readonly #plannedSide: (name: string) => PlannedSide | null;
  readonly #sides: Readonly<Record<Side, SideRunner>>;
  readonly #inFlightMax: number;
  readonly #observers: readonly CallObserver[];
  readonly #nowMs: () => number;
  /** Ids are unique over all nodes: a random beginning for this process, then a count. */
  readonly #idPrefix = `${randomBytes(6).toString("hex")}-`;
  #admitted = 0;
  #inFlight = 0;
  /** Storage has no right for who runs functions, as it said last; until then nobody asks again. null: it has. */
  #barredUntilMs: number | null = null;

  constructor({ functions, plannedSide, sides, inFlightMax, observers, nowMs }: NodeInvokerOptions) {
    this.#functions = functions;
    this.#plannedSide = plannedSide;
    this.#sides = sides;
    this.#inFlightMax = inFlightMax;
    this.#observers = observers;
    this.#nowMs = nowMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async invoke(call: Call, signal?: AbortSignal): Promise<Reply> {
    const startedMs = this.#nowMs();
    const ownId = this.#idPrefix + (this.#admitted += 1).toString(36);
    const id = call.traceId === undefined ? ownId : `${call.traceId}-${ownId}`;
    let place: Place | null = null;
    let sentUs = 0;
    let pushedBack: PushedBackRun | null = null;
    let limits: Limits | null = null;
    if (this.#inFlight >= this.#inFlightMax) {
      // Without an exception: its stack would cost some 25 µs of each call of a flood (`--cpu-prof`, bench `overload`).
      const why = { code: "OVERLOADED", message: `${this.#inFlightMax} calls are in this node already` } as const;
      return this.#refused(why, { id, side: null, reason: null, sentUs, pushedBack }, startedMs);
    }
    this.#inFlight += 1;
    try {
      this.#guard(call, signal);
      const known = this.#functions.current(call.function, call.version);
      const description = known ?? (await this.#find(call, signal));
      limits = description.limits;
      if (known === undefined) sentUs = this.#elapsedUsSince(startedMs);
      const choice = this.#choose(call, description, startedMs);
      place = choice;
      const { budget } = choice;
      const isSpent = budget !== null && budget.isSpent;
      let { otherwise } = choice;
      const limitMs = Math.min(call.deadlineMs ?? Infinity, description.limits.deadlineMs);
      const left = (): number => leftOf(limitMs, this.#nowMs() - startedMs, call.function);
      let admitted: AdmittedCall = {
        id,
        call,
        description,
        deadlineMs: known === undefined ? left() : limitMs,
        backCpuUs: isSpent ? 0 : choice.backCpuUs,
        overflows: choice.overflows,
        known: call.known ?? null,
      };
      for (;;) {
        try {
          const sideReply = await this.#sides[place.side].run(admitted, signal);
          if (place.side === "storage") this.#barredUntilMs = null;
          if (!("known" in sideReply)) {
            if (isAway(place) && isOverloaded(sideReply)) throw new LocusError("SIDE_UNAVAILABLE", "its queue is full");
            const { cpuUs } = sideReply.outcome.usage;
            budget?.ended(cpuUs);
            const isBeyond = choice.backCpuUs > 0 && cpuUs >= choice.backCpuUs;
            if (isSpent && isBeyond && place.side === "storage") budget.letStay();
            return this.#account(call, limits, { id, ...place, sentUs, pushedBack }, sideReply, startedMs);
          }
          pushedBack = this.#notePushedBack(call, sideReply, sentUs, startedMs);
          sentUs = pushedBack.endedUs;
          budget?.pushedBack(sideReply.usage.cpuUs);
          // Where compute can run nothing, it has to come to its end at storage after all.
          [place, otherwise] = [{ side: "compute", reason: "pushed-back" }, "storage"];
          admitted = { ...admitted, backCpuUs: 0, known: sideReply.known, deadlineMs: left() };
        } catch (error) {
          if (otherwise === null || !(isUnavailable(error) || (isAway(place) && isFull(error)))) throw error;
          if (place.side === "storage" && isCommandDenied(error)) this.#barredUntilMs ??= this.#nowMs() + BARRED_MS;
          [place, otherwise] = [{ side: otherwise, reason: "unavailable" }, null];
          sentUs = this.#elapsedUsSince(startedMs);
          admitted = { ...admitted, backCpuUs: 0, deadlineMs: left() };
        }
      }
    } catch (error) {
      const { side, reason } = place ?? { side: null, reason: null };
      const refused = this.#refuse(error, { id, side, reason, sentUs, pushedBack }, startedMs);
      return limits === null ? refused : { ...refused, error: saying(refused.error, limits, call) };
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Only a call that may go either way is one of those that the plan spreads. */
  #choose(
    { side: requested, function: name }: Call,
    { side: preferred }: FunctionDescription,
    nowMs: number,
  ): SideChoice {
    const choice = chooseSide({ requested, planned: requested === null ? this.#plannedSide(name) : null, preferred });
    const { side, otherwise } = choice;
    if (side !== "storage" || otherwise === null || this.#barredUntilMs === null) return choice;
    if (nowMs >= this.#barredUntilMs) {
      this.#barredUntilMs = nowMs + BARRED_MS;
      return choice;
    }
    return { ...choice, side: otherwise, reason: "unavailable", otherwise: null, backCpuUs: 0 };
  }

  /** What can be refused without knowing the function. */
  #guard(call: Call, signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) throw new LocusError("CANCELLED", "cancelled before it ran");
    expectText(call.keys);
    const bytes = argumentBytes(call);
    if (bytes > ARGS_BYTES_MAX) {
      throw new LocusError("ARGS_TOO_LARGE", `args and keys have ${bytes} bytes, ${ARGS_BYTES_MAX} are allowed`);
    }
  }

  #find(call: Call, signal: AbortSignal | undefined): Promise<FunctionDescription> {
    const found = this.#functions.find(call.function, call.version);
    const callsOwn = call.deadlineMs !== null && call.deadlineMs <= FIND_TIMEOUT_MS;
    const bound = {
      attempted: `look up the function ${call.function}`,
      timeoutMs: callsOwn ? call.deadlineMs : FIND_TIMEOUT_MS,
      code: callsOwn ? "DEADLINE_EXCEEDED" : "REDIS_UNAVAILABLE",
    } as const;
    return withDeadline(found, bound, signal);
  }

  #account(call: Call, limits: Limits, way: Way & Place, { version, outcome }: SideReply, startedMs: number): Reply {
    const elapsedUs = this.#elapsedUsSince(startedMs);
    const { usage } = outcome;
    const sample: Sample = {
      ...usage,
      function: call.function,
      version,
      side: way.side,
      outcome: outcome.ok ? "ok" : outcome.error.code,
      // Of one that was handed over the plan has said it.
      isFixed: way.reason === "asked" && call.mayWrite === undefined,
    };
    for (const observer of this.#observers) {
      observer.ran(sample, elapsedUs, outcome.logs, way.id, way.pushedBack?.endedUs ?? 0);
    }
    const logs = call.logs ? outcome.logs : NO_LINES;
    return outcome.ok
      ? { ok: true, ...way, version, usage, elapsedUs, logs, resultJson: outcome.resultJson }
      : { ok: false, ...way, version, usage, elapsedUs, logs, error: saying(outcome.error, limits, call) };
  }

  #notePushedBack(call: Call, { version, usage }: PushedBack, sentUs: number, startedMs: number): PushedBackRun {
    const sample: Sample = {
      ...usage,
      function: call.function,
      version,
      side: "storage",
      outcome: "ok",
      isFixed: false,
    };
    const endedUs = this.#elapsedUsSince(startedMs);
    for (const observer of this.#observers) observer.pushedBack(sample, endedUs);
    return { sentUs, endedUs, usage };
  }

  #refuse(error: unknown, way: Way & Pick<Reply, "side" | "reason">, startedMs: number): Refused {
    const code = error instanceof LocusError ? error.code : "INTERNAL";
    const message = error instanceof Error ? error.message : String(error);
    return this.#refused({ code, message }, way, startedMs);
  }

  #refused(
    why: Pick<LocusError, "code" | "message">,
    way: Way & Pick<Reply, "side" | "reason">,
    startedMs: number,
  ): Refused {
    for (const observer of this.#observers) observer.refused(why.code);
    return {
      ok: false,
      ...way,
      version: null,
      usage: null,
      elapsedUs: this.#elapsedUsSince(startedMs),
      logs: NO_LINES,
      error: { ...why, stack: "" },
    };
  }

  #elapsedUsSince(startedMs: number): number {
    return Math.round((this.#nowMs() - startedMs) * 1_000);
  }
}

/** Of a call that was handed over, LOCUS.CALL says it: what is left of a deadline is no limit. */
const saying = (error: Refused["error"], limits: Limits, { deadlineMs, mayWrite }: Call): Refused["error"] =>
  mayWrite === undefined ? { ...error, message: error.message + limitText(error.code, limits, deadlineMs) } : error;

const NO_LINES: readonly string[] = [];

/** A side that refused the call before it ran, for what the other one does not ask: that one may have it. */
const isUnavailable = (error: unknown): boolean =>
  error instanceof SideNotReached ||
  (error instanceof LocusError && (error.code === "SIDE_UNAVAILABLE" || error.code === "PERMISSION_DENIED"));

/** Its own side is the other one, and has it where this one has no room. */
const isAway = ({ reason }: Place): boolean => reason === "pushed-back" || reason === "overflow";

const isFull = (error: unknown): boolean => error instanceof LocusError && error.code === "OVERLOADED";

/** The sandbox did not even take it. */
const isOverloaded = ({ outcome }: SideReply): boolean => !outcome.ok && outcome.error.code === "OVERLOADED";

/** What a look-up in the registry, or a side that turned out to be off, has left of the call's time. */
const leftOf = (limitMs: number, elapsedMs: number, name: string): number => {
  const leftMs = limitMs - elapsedMs;
  if (leftMs > 0) return leftMs;
  throw new LocusError("DEADLINE_EXCEEDED", `the ${limitMs} ms of the call were over before ${name} could run`);
};

/** A UTF-16 unit is at most three bytes of UTF-8: only texts near the bound are counted exactly. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

const argumentBytes = ({ argsJson, keys }: Call): number => {
  let units = argsJson.length;
  for (const key of keys) units += key.length;
  if (units * UTF8_BYTES_PER_UNIT_MAX <= ARGS_BYTES_MAX) return units;
  return keys.reduce((bytes, key) => bytes + Buffer.byteLength(key), Buffer.byteLength(argsJson));
};
