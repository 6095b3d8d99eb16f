// A node's book of the instances that it holds on lease. A call finds one here without asking anybody; where there is none the calls of one
// function ask the scheduler once for all of them, and wait: in order, so many at most, and no longer than is any use.

import { clamp } from "#runtime/clamp.ts";
import { LocusError } from "#runtime/errors.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import { LEASES_MAX, RETURNED_MAX, WAITED_MAX, WAITING_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type {
  BeatAnswer,
  CallsWaiting,
  LeaseAnswer,
  LeasedInstance,
  LeaseUse,
  LeaseWanted,
  NodeBeat,
} from "#scheduler/grpc/capacity-desk.ts";
import { LEASE_MS } from "#scheduler/service/live-desk.ts";
import { BookedFunction, type Waiter } from "./booked-function.ts";
import { BookedInstance } from "./booked-instance.ts";
import { refusalOf, type WithoutInstance, type WithoutReason } from "./without-instance.ts";

/**
 * A call that waited so long runs on its node all the same, as if there were no scheduler: that all instances are taken for as long says that there
 * is less of everything than is asked for, and a node that queues calls of its own is no worse than one that refuses them. Not of a function of which
 * people have said how many instances it has at most. Chosen.
 */
const PATIENCE_MS = 2_000;
/**
 * The same if instances are isolates: this node's sandbox host can run the call in an isolate as good as any. Longer than an isolate takes to open,
 * so that a call may find an instance on a node with more room. Not sensitive.
 */
const ISOLATE_PATIENCE_MS = 20;
/** The same if one is open here already. The call still waits, so that the scheduler sees the demand. */
const OPEN_PATIENCE_MS = 1;
/** Of the time that a call has it waits no more than this part: the rest is for running. Chosen. */
const PATIENCE_SHARE = 1 / 2;
/** Instances asked for at once. */
const ASKED_MAX = 16;
/** Whoever is told to wait for what it holds asks again no sooner, however short a start is. Chosen. */
const PAUSE_MS_MIN = 10;
/** Whoever may not run without an instance asks again so much later, where none can be had for now. Chosen: a beat. */
const AGAIN_MS = 500;
/**
 * Calls of one version of a function that wait, where people have said how many instances it has at most: they may wait for long, and others are to have
 * room. As many as may run at once; a quarter of those that a node takes at once, unless its settings say otherwise, if those are more, and half of them at most. Chosen.
 */
const [BOUNDED_WAITING_MIN, BOUNDED_WAITING_MAX] = [256, 512];
/** Of the cores that instances can keep busy so much may be in use before more are asked for. Chosen. */
const BUSY_SHARE = 0.75;
/** Between two attempts of one function to get more. */
const GROW_EVERY_MS = 50;
/** Beats in which nothing ran on an instance until it is given back, so that keep-alive is the scheduler's matter. */
const IDLE_BEATS = 2;
/** … Where calls have waited for it in vain the next one is to have it, if it comes so soon. Chosen. */
const MISSED_BEATS = 20;
/** Beats without an instance and a call until what was learned of a function is forgotten. */
const EMPTY_BEATS = 120;

type Obstacle = Pick<WithoutInstance, "why" | "refusal">;

export interface LeaseBookOptions {
  readonly nodeId: string;
  /** Asks the scheduler; rejects with PEER_UNAVAILABLE where there is none. */
  readonly lease: (wanted: LeaseWanted, signal: AbortSignal) => Promise<LeaseAnswer>;
  /** Instances that people allow a function of that name; null: as many as there is room for. Asked for calls alone that find none free. */
  readonly atMost: (name: string) => number | null;
  /** Instances of this node are isolates. */
  readonly hasIsolates: boolean;
  /** Monotonic, ms. Who takes and ends calls may say what it says. */
  readonly nowMs: () => number;
}

export class LeaseBook {
  readonly #options: LeaseBookOptions;
  /** By version, which is the same for no two functions. */
  readonly #functions = new Map<string, BookedFunction>();
  readonly #held = new Map<string, BookedInstance>();
  /** On their way back, and whether they are broken. */
  readonly #returning = new Map<string, boolean>();
  /** Given back since the last beat, which does not know yet what calls did there. */
  readonly #givenBack: BookedInstance[] = [];
  #waiting = 0;
  #isClosed = false;
  /** Since when nobody schedules, as far as calls have found; null: somebody does. */
  #absentSinceMs: number | null = null;
  /** Calls that ran here without an instance, since the beginning. */
  readonly without: Record<WithoutReason, number> = {
    "no-scheduler": 0,
    replaced: 0,
    refused: 0,
    late: 0,
    lost: 0,
    stopping: 0,
    "not-here": 0,
    "other-user": 0,
  };
  readonly counts = { taken: 0, waited: 0, waitedMs: 0 };

  constructor(options: LeaseBookOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Instances held. */
  get size(): number {
    return this.#held.size;
  }

  /** Calls may run on other nodes. */
  get isElsewhere(): boolean {
    for (const { isHere } of this.#held.values()) if (!isHere) return true;
    return false;
  }

  /** Whether there is an instance of it here, busy or not. */
  has({ version }: FunctionDescription): boolean {
    return (this.#functions.get(version)?.instances.length ?? 0) > 0;
  }

  /** Calls that wait for an instance; `starting`: for the first of their function. */
  get waitingCalls(): { readonly queued: number; readonly starting: number } {
    let queued = 0;
    let starting = 0;
    for (const { waiters, instances } of this.#functions.values()) {
      if (instances.length > 0) queued += waiters.size;
      else starting += waiters.size;
    }
    return { queued, starting };
  }

  /** An instance for one call, which is to be given back by `done`; null: `wait` for one. */
  take({ version }: FunctionDescription, nowMs = this.#options.nowMs()): BookedInstance | null {
    const booked = this.#functions.get(version);
    if (booked === undefined || booked.waiters.size > 0) return null;
    const instance = booked.best();
    if (instance === null) return null;
    this.#give(booked, instance, nowMs);
    return instance;
  }

  /**
   * As `take`, for a call that stays on this node: an instance that is here; null: it runs here without. Where there is none of its function at all one
   * is asked for, so that those that follow find it.
   */
  takeHere(description: FunctionDescription, nowMs = this.#options.nowMs()): BookedInstance | null {
    const booked = this.#functionOf(description);
    const instance = booked.waiters.size > 0 ? null : booked.best(true);
    if (instance !== null) this.#give(booked, instance, nowMs);
    else {
      this.without["not-here"]++;
      if (booked.instances.length === 0 && !this.#isClosed) this.#grow(booked);
    }
    return instance;
  }

  /**
   * As `take`, when one can be had; null: none could while there was time, of the `timeoutMs` that the call has, and it runs here without. Rejects
   * with OVERLOADED, and with CANCELLED; where it may not run without with what `refusalOf` has as well.
   * `isOpenHere`: this node has an isolate of it.
   */
  wait(
    description: FunctionDescription,
    timeoutMs: number,
    signal?: AbortSignal,
    isOpenHere = false,
  ): Promise<BookedInstance | null> {
    if (signal?.aborted === true) return Promise.reject(cancelled(description.name));
    if (this.#isClosed) {
      const refusal = this.goWithout(description, "stopping", 0);
      return refusal === null ? Promise.resolve(null) : Promise.reject(refusal);
    }
    if (this.#waiting >= WAITING_MAX) {
      return Promise.reject(new LocusError("OVERLOADED", `${WAITING_MAX} calls wait for an instance already`));
    }
    const booked = this.#functionOf(description);
    const { waiters, concurrency } = booked;
    const most = this.#options.atMost(description.name);
    if (most !== null && waiters.size >= clamp(most * concurrency, BOUNDED_WAITING_MIN, BOUNDED_WAITING_MAX)) {
      const refusal = this.goWithout(description, "late", 0, { why: `${waiters.size} of its calls wait already` });
      if (refusal !== null) return Promise.reject(refusal);
    }
    const sinceMs = this.#options.nowMs();
    this.#waiting++;
    return new Promise((resolve, reject) => {
      const leave = (instance: BookedInstance | null): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        booked.waiters.delete(waiter);
        this.#waiting--;
        // What was said for those that waited binds nobody who comes later.
        if (booked.waiters.size === 0) this.#endPause(booked);
        this.counts.waited++;
        const waitedMs = this.#options.nowMs() - sinceMs;
        this.counts.waitedMs += waitedMs;
        if (instance !== null) return;
        booked.left++;
        booked.leftMs += waitedMs;
      };
      const waiter: Waiter = {
        sinceMs,
        resolve: (instance) => {
          leave(instance);
          resolve(instance);
        },
        reject: (error) => {
          leave(null);
          reject(error);
        },
      };
      const onAbort = (): void => waiter.reject(cancelled(description.name));
      let leftMs = timeoutMs * PATIENCE_SHARE;
      const isolatePatienceMs = isOpenHere ? OPEN_PATIENCE_MS : ISOLATE_PATIENCE_MS;
      let stepMs = Math.min(leftMs, most === null && this.#options.hasIsolates ? isolatePatienceMs : PATIENCE_MS);
      const onTimeout = (): void => {
        leftMs -= stepMs;
        stepMs = Math.min(leftMs, PATIENCE_MS);
        // People may say so, and take it back, while it waits.
        if (leftMs > 0 && this.#isBounded(booked)) timer = setTimeout(onTimeout, stepMs);
        else {
          booked.isMissed = true;
          this.#leaveWithout(booked, waiter, "late");
        }
      };
      let timer = setTimeout(onTimeout, stepMs);
      signal?.addEventListener("abort", onAbort);
      booked.waiters.add(waiter);
      this.#serve(booked);
      this.#ask(booked);
    });
  }

  /** A call of that function got no instance in so long. null: it runs here without, and is counted; else the error with which it is refused. */
  goWithout(
    { name }: Pick<FunctionDescription, "name">,
    reason: WithoutReason,
    forMs: number,
    { why = "", refusal = null }: Partial<Obstacle> = {},
  ): LocusError | null {
    const error = refusalOf({ function: name, most: this.#options.atMost(name), reason, forMs, why, refusal });
    if (error === null) this.without[reason]++;
    return error;
  }

  /** A call that had the instance ended. `elapsedMs`: since it was taken. */
  done(
    instance: BookedInstance,
    elapsedMs: number,
    cpuUs: number,
    nowMs = this.#options.nowMs(),
    lackedMemory = false,
  ): void {
    instance.ended(nowMs, elapsedMs, cpuUs);
    instance.lackedMemory ||= lackedMemory;
    instance.function.ended(elapsedMs, cpuUs);
    this.failed(instance, nowMs);
  }

  /** In place of `done`, of a call that came to nothing: how long that took says nothing of what calls take. */
  failed(instance: BookedInstance, nowMs = this.#options.nowMs()): void {
    const { function: booked } = instance;
    if (--instance.running === 0) instance.comesToRest(nowMs);
    booked.inFlight--;
    if (instance.isRevoked && instance.running === 0 && this.#held.get(instance.id) === instance)
      this.#giveBack(instance);
    if (booked.waiters.size > 0) this.#serve(booked);
  }

  /**
   * A call that had the instance never ran there, or is to run again: it takes no more calls, or cannot be reached. Those that run there go on: each
   * sees for itself. Whoever lent it is told, since where it is there all the same others may have it; not where its node says that it is
   * not there: `isBroken`.
   */
  drop(instance: BookedInstance, isBroken: boolean): void {
    if (this.#held.get(instance.id) === instance) this.#giveBack(instance, isBroken);
  }

  /**
   * What instances did since the last beat, `elapsedMs` ago: those that are held, and those that were given back since. Those that are not used any
   * more are held no more: `returning` names them.
   */
  uses(elapsedMs: number): readonly LeaseUse[] {
    const nowMs = this.#options.nowMs();
    const givenBack = this.#givenBack.splice(0).filter(({ isUntold }) => isUntold);
    const uses = givenBack.slice(0, LEASES_MAX - this.#held.size).map((instance) => instance.use(nowMs, elapsedMs));
    for (const instance of this.#held.values()) {
      instance.idleBeats = instance.calls === 0 && instance.running === 0 ? instance.idleBeats + 1 : 0;
      const use = instance.use(nowMs, elapsedMs);
      if (instance.idleBeats >= (instance.function.isMissed ? MISSED_BEATS : IDLE_BEATS)) this.#giveBack(instance);
      else uses.push(use);
    }
    for (const [version, booked] of this.#functions) {
      const isEmpty = booked.instances.length === 0 && booked.inFlight === 0 && booked.waiters.size === 0;
      booked.emptyBeats = isEmpty ? booked.emptyBeats + 1 : 0;
      if (booked.emptyBeats >= EMPTY_BEATS) this.#functions.delete(version);
    }
    return uses;
  }

  /** Of functions of which calls wait, or have left since this was told last, as many as a beat takes. */
  waits(): readonly CallsWaiting[] {
    const waits: CallsWaiting[] = [];
    for (const booked of this.#functions.values()) {
      const { shape, waiters, left, leftMs } = booked;
      if (waiters.size === 0 && left === 0) continue;
      if (waits.length === WAITED_MAX) break;
      const leftWaitMs = left === 0 ? 0 : leftMs / left;
      const waiting = booked.instancesFor(waiters.size);
      waits.push({ key: shape.key, waiting, left: booked.instancesFor(left), leftWaitMs });
      booked.left = 0;
      booked.leftMs = 0;
    }
    return waits;
  }

  /** The first of them, as many as a beat takes. */
  get returning(): Pick<NodeBeat, "returned" | "broken"> {
    const first = [...this.#returning.entries().take(RETURNED_MAX)];
    const broken = first.flatMap(([id, isBroken]) => (isBroken ? [id] : []));
    const returned = first.flatMap(([id, isBroken]) => (isBroken ? [] : [id]));
    return { returned, broken };
  }

  /** Of a beat that named `told`. */
  answered({ gone, revoked, isPressed }: BeatAnswer, told: readonly string[]): void {
    this.#absentSinceMs = null;
    for (const id of told) this.#returning.delete(id);
    for (const id of gone) {
      const instance = this.#held.get(id);
      if (instance === undefined) continue;
      this.#giveBack(instance);
      this.#returning.delete(id);
      instance.lose();
    }
    for (const id of revoked) {
      const instance = this.#held.get(id);
      if (instance === undefined) continue;
      instance.isRevoked = true;
      instance.function.remove(instance);
      if (instance.running === 0) this.#giveBack(instance);
      else this.#ask(instance.function);
    }
    // There may be room by now.
    for (const booked of this.#functions.values()) {
      if (booked.pause?.count !== Infinity) continue;
      this.#endPause(booked);
      this.#ask(booked);
    }
    if (!isPressed) return;
    for (const instance of this.#held.values()) {
      if (instance.running === 0 && instance.calls === 0 && instance.idleBeats > 0) this.#giveBack(instance);
    }
  }

  /**
   * Whoever was asked has not answered lately: those that wait ask anew, those as well that were told to wait. What was asked for besides may come yet, and
   * nobody waits for it.
   */
  askAnew(): void {
    this.#absentSinceMs ??= this.#options.nowMs();
    for (const booked of this.#functions.values()) {
      booked.asked?.abort();
      booked.askAtMs = -Infinity;
      this.#endPause(booked);
      this.#ask(booked);
    }
  }

  /** As `askAnew`; whoever was asked is not to be asked any more. */
  askAnother(): void {
    this.askAnew();
    for (const { growing } of this.#functions.values()) growing?.abort();
  }

  /** Nobody has renewed anything for so long that all of it is over. What runs goes on. */
  expireAll(): void {
    for (const instance of this.#held.values()) {
      instance.isRevoked = true;
      instance.function.remove(instance);
    }
    this.#held.clear();
    this.#returning.clear();
    for (const booked of this.#functions.values()) {
      this.#endPause(booked);
      this.#ask(booked);
    }
  }

  /**
   * Holds nothing more from now on: calls run here, without an instance, as far as they may. What calls still have is over when it expires, or they end.
   * Idempotent.
   */
  close(): void {
    this.#isClosed = true;
    for (const booked of this.#functions.values()) this.#allWithout(booked, "stopping");
    this.askAnother();
    for (const instance of this.#held.values()) if (instance.running === 0) this.#giveBack(instance);
  }

  #functionOf(description: FunctionDescription): BookedFunction {
    const { version } = description;
    let booked = this.#functions.get(version);
    if (booked === undefined) {
      booked = new BookedFunction(description, this.#options.hasIsolates);
      this.#functions.set(version, booked);
    }
    return booked;
  }

  #give(booked: BookedFunction, instance: BookedInstance, nowMs: number, waitedMs = 0): void {
    instance.took(nowMs, waitedMs);
    booked.inFlight++;
    booked.isMissed = false;
    this.counts.taken++;
    if (booked.inFlight * booked.cpuShare > booked.threads * BUSY_SHARE) this.#grow(booked);
  }

  #giveBack(instance: BookedInstance, isBroken = false): void {
    this.#held.delete(instance.id);
    this.#returning.set(instance.id, isBroken);
    this.#givenBack.push(instance);
    instance.isRevoked = true;
    instance.function.remove(instance);
    this.#ask(instance.function);
  }

  /** First come, first served. */
  #serve(booked: BookedFunction): void {
    const nowMs = this.#options.nowMs();
    for (const waiter of booked.waiters) {
      const instance = booked.best();
      if (instance === null) return;
      this.#give(booked, instance, nowMs, Math.max(0, nowMs - waiter.sinceMs));
      waiter.resolve(instance);
    }
  }

  /**
   * For those that wait, unless it is asked already, or they are to wait for what is held and neither are they more nor is that less. What was asked for
   * is not given up with the last of them: an answer that is on its way by then would be lost, and what it lends would be nobody's until its leases are
   * over. It is held like any other, and goes back where it is not used.
   */
  #ask(booked: BookedFunction): void {
    if (booked.asked !== null || booked.waiters.size === 0) return;
    if (this.#isFull) return this.#askFull(booked);
    const waiting = booked.instancesFor(booked.waiters.size);
    const count = Math.min(ASKED_MAX, waiting);
    const nowMs = this.#options.nowMs();
    const held = booked.held(nowMs);
    if (booked.pause !== null && count <= booked.pause.count && held.busy >= booked.pause.busy) return;
    const soonMs = booked.askAtMs - nowMs;
    if (booked.pause === null && soonMs > 0 && held.busy > 0) return this.#pause(booked, count, held.busy, soonMs);
    this.#endPause(booked);
    const asked = new AbortController();
    booked.asked = asked;
    const wanted = { nodeId: this.#options.nodeId, shape: booked.shape, count, waiting, isGrowth: false, held };
    this.#options.lease(wanted, asked.signal).then(
      ({ instances: leased, waitMs }) => {
        booked.asked = null;
        for (const one of leased) this.#hold(booked, one);
        this.#serve(booked);
        if (waitMs !== null) {
          booked.askAtMs = this.#options.nowMs() + PAUSE_MS_MIN;
          if (booked.waiters.size > 0) this.#pause(booked, count, held.busy, Math.max(PAUSE_MS_MIN, waitMs));
        }
        this.#ask(booked);
        // What was free elsewhere serves at once; from then on calls need not go there.
        if (leased.length > 0 && !booked.instances.some(({ isHere }) => isHere)) this.#grow(booked);
      },
      (error: unknown) => {
        booked.asked = null;
        // Whoever waits is to have a request of its own.
        if (asked.signal.aborted || codeOf(error) === "DEADLINE_EXCEEDED") return this.#ask(booked);
        this.#refused(booked, error);
      },
    );
  }

  /** Of what this node has those that are free first serve whoever waits; of what it has nothing of, nobody waits who may run without. */
  #askFull(booked: BookedFunction): void {
    if (booked.instances.length > 0) return;
    if (!this.#isBounded(booked)) this.#allWithout(booked, "refused");
    else if (booked.pause === null) this.#askAgain(booked);
  }

  /** Whatever happens meanwhile. */
  #askAgain(booked: BookedFunction): void {
    this.#endPause(booked);
    this.#pause(booked, Infinity, 0, AGAIN_MS);
  }

  /** Those that wait are served as calls here end: nobody is asked meanwhile. */
  #pause(booked: BookedFunction, count: number, busy: number, waitMs: number): void {
    const over = (): void => {
      booked.pause = null;
      booked.askAtMs = -Infinity;
      this.#ask(booked);
    };
    const timer = setTimeout(over, Math.min(waitMs, PATIENCE_MS)).unref();
    booked.pause = { count, busy, timer };
  }

  #endPause(booked: BookedFunction): void {
    clearTimeout(booked.pause?.timer);
    booked.pause = null;
  }

  #refused(booked: BookedFunction, error: unknown): void {
    const code = codeOf(error);
    if (NOBODY.has(code)) this.#absentSinceMs ??= this.#options.nowMs();
    if (code === "OVERLOADED") for (const waiter of booked.waiters) waiter.reject(error as LocusError);
    else if (GONE.has(code)) this.#allWithout(booked, "replaced");
    else if (!this.#isBounded(booked)) this.#allWithout(booked, NOBODY.has(code) ? "no-scheduler" : "refused");
    else if (FINAL.has(code)) this.#allWithout(booked, "refused", { refusal: error as LocusError });
    else if (NOBODY.has(code) && this.#isForsaken) this.#allWithout(booked, "no-scheduler");
    // One schedules, or did a moment ago, and counts instances: another takes over, or was late or cut off once.
    else if (booked.waiters.size > 0) this.#askAgain(booked);
  }

  /** Nobody has scheduled for so long that nothing is on lease any more. */
  get #isForsaken(): boolean {
    return this.#absentSinceMs !== null && this.#options.nowMs() - this.#absentSinceMs >= LEASE_MS;
  }

  #allWithout(booked: BookedFunction, reason: WithoutReason, obstacle?: Partial<Obstacle>): void {
    for (const waiter of booked.waiters) this.#leaveWithout(booked, waiter, reason, obstacle);
  }

  #leaveWithout(booked: BookedFunction, waiter: Waiter, reason: WithoutReason, obstacle?: Partial<Obstacle>): void {
    const refusal = this.goWithout(booked, reason, this.#options.nowMs() - waiter.sinceMs, obstacle);
    if (refusal === null) waiter.resolve(null);
    else waiter.reject(refusal);
  }

  #isBounded({ name }: BookedFunction): boolean {
    return this.#options.atMost(name) !== null;
  }

  /** What is on its way back it holds until whoever lent it has heard of that. */
  get #isFull(): boolean {
    return this.#held.size + this.#returning.size >= LEASES_MAX;
  }

  #grow(booked: BookedFunction): void {
    const nowMs = this.#options.nowMs();
    if (booked.growing !== null || nowMs < booked.growAtMs || this.#isFull) return;
    const growing = new AbortController();
    booked.growing = growing;
    booked.growAtMs = nowMs + GROW_EVERY_MS;
    const cores = (booked.inFlight * booked.cpuShare) / BUSY_SHARE;
    const count = Math.max(1, Math.min(ASKED_MAX, Math.ceil(cores - booked.threads)));
    const held = booked.held(nowMs);
    const wanted = { nodeId: this.#options.nodeId, shape: booked.shape, count, waiting: 0, isGrowth: true, held };
    const over = (leased: readonly LeasedInstance[]): void => {
      booked.growing = null;
      for (const one of leased) this.#hold(booked, one);
      this.#serve(booked);
    };
    this.#options.lease(wanted, growing.signal).then(
      ({ instances }) => over(instances),
      () => over([]),
    );
  }

  #hold(booked: BookedFunction, leased: LeasedInstance): void {
    if (this.#isClosed) return void this.#returning.set(leased.id, false);
    const known = this.#held.get(leased.id);
    if (known !== undefined) {
      // Calls of a lease that was revoked run there still: this is the next one.
      if (known.isRevoked) known.function.add(known);
      known.isRevoked = false;
      return;
    }
    if (this.#held.size >= LEASES_MAX) return void this.#returning.set(leased.id, false);
    // It was on its way back, and has been lent anew.
    this.#returning.delete(leased.id);
    const isHere = leased.nodeId === this.#options.nodeId;
    const instance = new BookedInstance(leased, booked, isHere, booked.meanMs, this.#options.nowMs());
    this.#held.set(leased.id, instance);
    booked.add(instance);
  }
}

/** With which whoever schedules says that there can be no instance. */
const FINAL: ReadonlySet<string> = new Set(["NODES_EXHAUSTED", "REQUEST_INVALID", "INSTANCE_FAILED"]);
/** With which nobody is told to schedule, or not for this node yet. */
const NOBODY: ReadonlySet<string> = new Set(["PEER_UNAVAILABLE", "NODE_NOT_FOUND"]);
/** Of what is not deployed any more. */
const GONE: ReadonlySet<string> = new Set(["FUNCTION_NOT_FOUND", "VERSION_NOT_FOUND"]);

const codeOf = (error: unknown): string => (error instanceof LocusError ? error.code : "INTERNAL");

const cancelled = (name: string): LocusError =>
  new LocusError("CANCELLED", `nobody waits any more for an instance of ${name}`);
