// Who may use how much of a total: CPUs of instances, instances or threads of functions. Told what each used and when, it forecasts one step
// ahead and answers with what changes. Pure: no clock, no I/O; quota-driver.ts and capacity-loop.ts apply it.
//
// Invariants: what is granted never passes the total; each has from its floor to its own limit.

import { ROUNDING } from "../rounding.ts";
import { split } from "./split.ts";
import { StepForecast } from "./step-forecast.ts";

export interface ReallocationSettings {
  /** Of what is divided; all amounts are in its unit. */
  readonly total: number;
  /** The least that a member has where nothing else is said of it, unless its own limit is less. */
  readonly floor: number;
  /** Grants are whole multiples, but for a limit that is none. */
  readonly step: number;
  /** Whether members rest between calls (`rested`): then forecasts are of times with calls. */
  readonly rests: boolean;
}

/** What came of one member since the last look. */
export interface Sample {
  readonly id: string;
  readonly used: number;
  /** Calls in flight, the most at once; 0 throughout where `called` tells of none. */
  readonly calls: number;
  /** It was held back (throttled, calls waited) and wants so much at once; null where it was not. */
  readonly lacked: number | null;
}

export interface Change {
  readonly id: string;
  readonly amount: number;
}

/** After a forecast that proved wrong nothing is taken back for so long: twice as long each time, half as long when all went well for some time. */
const PATIENCE_MS_MIN = 1_000;
const PATIENCE_MS_MAX = 60_000;
/** Times the patience without a wrong forecast, until it is halved. Chosen. */
const CALM = 4;
/** What is wanted less is given back in pieces of so much of the own limit, or down to the floor: less is not worth the change. Chosen. */
const GIVEN_BACK_MIN = 0.1;
/** Before there is a forecast: times what is used. */
const UNKNOWN_GROWTH = 2;

/** All amounts in steps. */
interface Member {
  readonly id: string;
  /** As said; its own limit may be less. */
  readonly floor: number;
  limit: number;
  limitAmount: number;
  initial: number;
  /** While calls run. */
  wantedBusy: number;
  /** Calls in flight that this is meant for. */
  callsBusy: number;
  isResting: boolean;
  /** The same, or what it has at rest. */
  wanted: number;
  calls: number;
  granted: number;
  readonly usedForecast: StepForecast;
  readonly callsForecast: StepForecast;
  heldUntilMs: number;
  patienceMs: number;
  calmSinceMs: number;
}

export class Reallocation {
  readonly #step: number;
  readonly #floor: number;
  readonly #total: number;
  readonly #rests: boolean;
  readonly #members = new Map<string, Member>();
  #floors = 0;

  constructor({ total, floor, step, rests }: ReallocationSettings) {
    this.#step = step;
    this.#floor = Math.max(1, Math.ceil(floor / step - ROUNDING));
    this.#total = Math.floor(total / step + ROUNDING);
    this.#rests = rests;
  }

  /** It wants `initial` until it is known, and has `least` in any case. null: no room is left for that; else what changes, its own grant included. */
  add(id: string, limit: number, initial = limit, least = this.#floor * this.#step): readonly Change[] | null {
    const limitSteps = this.#limitOf(limit);
    const ownFloor = this.#stepsOf(least);
    const floor = Math.min(ownFloor, this.#stepsOf(limit));
    if (this.#members.has(id) || this.#floors + floor > this.#total) return null;
    this.#floors += floor;
    const wanted = clamp(this.#stepsOf(initial), floor, limitSteps);
    this.#members.set(id, {
      id,
      floor: ownFloor,
      limit: limitSteps,
      limitAmount: limit,
      initial: wanted,
      wantedBusy: wanted,
      callsBusy: Infinity,
      isResting: false,
      wanted,
      calls: Infinity,
      granted: 0,
      usedForecast: new StepForecast(),
      callsForecast: new StepForecast(),
      heldUntilMs: -Infinity,
      patienceMs: PATIENCE_MS_MIN,
      calmSinceMs: -Infinity,
    });
    return this.#divide();
  }

  remove(id: string): readonly Change[] {
    const member = this.#members.get(id);
    if (member === undefined) return [];
    this.#members.delete(id);
    this.#floors -= this.#floorOf(member);
    return this.#divide();
  }

  /** Its own limit is another now. null: no room is left for its floor, and all stays as it was; else what changes. */
  relimit(id: string, limit: number): readonly Change[] | null {
    const member = this.#members.get(id);
    if (member === undefined) return null;
    const limitSteps = this.#limitOf(limit);
    const floors = this.#floors - this.#floorOf(member) + Math.min(member.floor, this.#stepsOf(limit));
    if (floors > this.#total) return null;
    this.#floors = floors;
    member.limit = limitSteps;
    member.limitAmount = limit;
    member.initial = limitSteps;
    member.wantedBusy = limitSteps;
    if (member.isResting) this.#rest(member);
    else wantAll(member);
    return this.#divide();
  }

  /** A call begins, and with it so many are in flight: what they need is granted at once. */
  called(id: string, calls: number): readonly Change[] {
    const member = this.#members.get(id);
    if (member === undefined || calls <= member.calls) return [];
    member.isResting = false;
    member.calls = member.callsBusy;
    member.wanted = member.wantedBusy;
    // More than was foreseen.
    if (calls > member.calls) wantAll(member);
    return this.#divide();
  }

  /** It has had no call for a while: it has its floor until it is called. */
  rested(id: string): readonly Change[] {
    const member = this.#members.get(id);
    if (member === undefined || member.isResting) return [];
    this.#rest(member);
    return this.#divide();
  }

  /** What changes after a look, those first who have less now. */
  sampled(samples: readonly Sample[], nowMs: number): readonly Change[] {
    for (const sample of samples) {
      const member = this.#members.get(sample.id);
      if (member !== undefined) this.#learn(member, sample, nowMs);
    }
    return this.#divide();
  }

  /** 0: it is no member. */
  granted(id: string): number {
    const member = this.#members.get(id);
    return member === undefined ? 0 : this.#amountOf(member);
  }

  /** Of the forecast of what it uses, held out; null where nothing is known. */
  forecastError(id: string): number | null {
    return this.#members.get(id)?.usedForecast.error ?? null;
  }

  #learn(member: Member, { used, calls, lacked }: Sample, nowMs: number): void {
    if (this.#rests && calls === 0) return;
    const isMore = calls > (member.callsForecast.upper ?? Infinity) + ROUNDING;
    member.callsForecast.add(calls);
    const isHeldBack = lacked !== null && member.granted < member.limit;
    // What it would have used is not known: the series stays as it was.
    if (!isHeldBack) member.usedForecast.add(used);
    // Where others left no more, the forecast was not wrong.
    if (isHeldBack && member.granted >= member.wanted) {
      member.patienceMs = Math.min(PATIENCE_MS_MAX, member.patienceMs * 2);
      member.heldUntilMs = nowMs + member.patienceMs;
      member.calmSinceMs = nowMs;
    } else if (nowMs - member.calmSinceMs > CALM * member.patienceMs) {
      member.patienceMs = Math.max(PATIENCE_MS_MIN, member.patienceMs / 2);
      member.calmSinceMs = nowMs;
    }
    this.#foresee(member, this.#stepsOf(Math.max(used, isHeldBack ? lacked : 0)), nowMs);
    // More came than was foreseen, and may still run.
    if (member.isResting) this.#rest(member);
    else if (isMore) wantAll(member);
  }

  #rest(member: Member): void {
    member.isResting = true;
    member.wanted = this.#floorOf(member);
    member.calls = 0;
  }

  /** `least`: whatever is foreseen. */
  #foresee(member: Member, least: number, nowMs: number): void {
    const [used, callsAtOnce] = [member.usedForecast.upper, member.callsForecast.upper];
    const floor = this.#floorOf(member);
    const isKnown = used !== null && callsAtOnce !== null;
    const foreseen = isKnown ? Math.max(least, this.#stepsOf(used)) : Math.max(member.initial, least * UNKNOWN_GROWTH);
    const wanted = clamp(foreseen, floor, member.limit);
    const isLittle = member.wantedBusy - wanted < member.limit * GIVEN_BACK_MIN && wanted > floor;
    if (wanted > member.wantedBusy || (nowMs >= member.heldUntilMs && !isLittle)) member.wantedBusy = wanted;
    member.callsBusy = isKnown ? Math.floor(callsAtOnce + ROUNDING) : Infinity;
    member.wanted = member.wantedBusy;
    member.calls = member.callsBusy;
  }

  #divide(): readonly Change[] {
    const members = [...this.#members.values()];
    const wants = members.map((member) => ({ floor: this.#floorOf(member), wanted: member.wanted }));
    const granted = split(wants, this.#total);
    const changed = members.flatMap((member, index) => {
      const [before, after] = [member.granted, granted[index]!];
      member.granted = after;
      return before === after ? [] : [{ member, isLess: after < before }];
    });
    return changed
      .toSorted((one, other) => Number(other.isLess) - Number(one.isLess))
      .map(({ member }) => ({ id: member.id, amount: this.#amountOf(member) }));
  }

  #floorOf({ floor, limit }: Member): number {
    return Math.min(floor, limit);
  }

  /** A limit between two steps is granted as it is. */
  #amountOf({ granted, limitAmount }: Member): number {
    return Math.min(limitAmount, granted * this.#step);
  }

  /** Rounded up: what is used fits. */
  #stepsOf(amount: number): number {
    return Math.max(1, Math.ceil(amount / this.#step - ROUNDING));
  }

  #limitOf(amount: number): number {
    return Math.min(this.#total, this.#stepsOf(amount));
  }
}

/** Until it is looked at again. */
function wantAll(member: Member): void {
  member.wanted = member.limit;
  member.calls = Infinity;
}

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(value, most));
