// A driver whose instances have the CPU quota that they use: another driver, whose instances it looks at ten times a second and limits as
// reallocation.ts decides, live. To whoever holds it, it is that driver.

import { setTimeout as sleep } from "node:timers/promises";
import { LocusError } from "#runtime/errors.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceCall, InstanceSpec, ListedInstance, StartedInstance } from "../driver/driver.ts";
import { checkCpus } from "../driver/instance-bounds.ts";
import { ROUNDING } from "../rounding.ts";
import { type FollowedInstance, sampleOf } from "./followed-instance.ts";
import { Reallocation, type Change } from "./reallocation.ts";

export interface QuotaDriverOptions {
  /** Closed with it. */
  readonly driver: Driver;
  /** Of all instances together; what is told to the driver never passes it. */
  readonly cpus: number;
  /** Whether `limit` is in force before a call that has just begun misses it: a file of the kernel is, a question to an engine is not. */
  readonly limitsAtOnce: boolean;
  /** Told once of an instance whose quota nothing holds: it stays as it was started. */
  readonly onUnheld: (id: string, why: string) => void;
}

/** The kernel's own period: of a mean over a longer time it holds back what comes at once. */
const LOOK_MS = 100;
/** Without a call for so long an instance rests, at least. Chosen. */
const REST_AFTER_MS_MIN = 50;
/** So many instances are looked at in that time; more are looked at less often, so that looking costs no more. Chosen. */
const INSTANCES_PER_LOOK = 50;
/** What an instance has at rest, or more where it needs more: twice the least that the kernel takes. Chosen. */
const CPUS_FLOOR = 0.02;
/** The least that the kernel takes. */
const CPUS_STEP = 0.01;
/** An instance that is limited no more has so long to say that it has ended, before its owner is told. Chosen. */
const END_MS = 2_000;

/** Of all instances of one function whose quotas follow. */
export interface QuotaShare {
  readonly function: string;
  /** What they may use now. */
  readonly grantedCpus: number;
  /** What they used between the last two looks. */
  readonly usedCpus: number;
  /** Of the forecasts of what they use, held out: the mean of those instances that have any; null: none has. */
  readonly forecastError: number | null;
}

export class QuotaDriver implements Driver {
  readonly #options: QuotaDriverOptions;
  readonly #driver: Driver;
  readonly #reallocation: Reallocation;
  readonly #followed = new Map<string, FollowedInstance>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: QuotaDriverOptions) {
    this.#options = options;
    this.#driver = options.driver;
    this.#reallocation = new Reallocation({
      total: options.cpus,
      floor: CPUS_FLOOR,
      step: CPUS_STEP,
      rests: options.limitsAtOnce,
    });
  }

  /** As the driver's; OVERLOADED where no CPU is left for one more. */
  async start(spec: InstanceSpec, signal?: AbortSignal): Promise<StartedInstance> {
    const { id, cpus, image } = spec;
    checkCpus(id, cpus);
    if (signal?.aborted) throw unwanted(id);
    if (this.#followed.has(id)) throw new LocusError("REQUEST_INVALID", `there is an instance ${id} already`);
    const changes = this.#reallocation.add(id, cpus);
    if (changes === null) {
      throw new LocusError("OVERLOADED", `instance ${id}: of ${this.#options.cpus} CPUs none is left for one more`);
    }
    const one: FollowedInstance = {
      id,
      function: image.description.name,
      limit: cpus,
      isTold: false,
      inFlight: 0,
      callsMost: 0,
      lastLook: null,
      used: 0,
      reserved: this.#reallocation.granted(id),
      telling: null,
      restTimer: null,
      abandoned: null,
      forgotten: Promise.withResolvers(),
    };
    this.#followed.set(id, one);
    this.#apply(changes);
    await this.#waitForRoom(one, signal);
    if (one.abandoned !== null) throw one.abandoned;
    const starting = this.#start(one, spec, signal);
    this.#setTelling(one, Promise.allSettled([starting]));
    return await starting;
  }

  /** Until the others have what they are to leave it, or it is abandoned. */
  async #waitForRoom(one: FollowedInstance, signal: AbortSignal | undefined): Promise<void> {
    const onAbort = (): void => this.#abandon(one, unwanted(one.id));
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      // What they are told last may be older than this one.
      for (let others = this.#inTheWay(); others !== null; others = this.#inTheWay()) {
        if (one.abandoned !== null) return;
        await Promise.race([others, one.forgotten.promise]);
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Of one that the driver knows nothing of yet. */
  #abandon(one: FollowedInstance, why: LocusError): void {
    one.abandoned = why;
    this.#forget(one);
  }

  /** With what it is granted by now: from here on the driver knows of it. */
  async #start(one: FollowedInstance, spec: InstanceSpec, signal: AbortSignal | undefined): Promise<StartedInstance> {
    const quota = one.reserved;
    one.isTold = true;
    try {
      const started = await this.#driver.start({ ...spec, cpus: quota }, signal);
      void started.ended.then(() => this.#forget(one));
      await this.#tell(one, quota, one.limit);
      this.#restLater(one);
      this.#lookLater(LOOK_MS);
      return started;
    } catch (error) {
      this.#forget(one);
      throw error;
    }
  }

  async invoke(id: string, call: InstanceCall, signal?: AbortSignal): Promise<Outcome> {
    const one = this.#followed.get(id);
    if (one === undefined) return this.#driver.invoke(id, call, signal);
    if (one.restTimer !== null) clearTimeout(one.restTimer);
    one.inFlight++;
    one.callsMost = Math.max(one.callsMost, one.inFlight);
    this.#apply(this.#reallocation.called(id, one.inFlight));
    try {
      return await this.#driver.invoke(id, call, signal);
    } finally {
      one.inFlight--;
      this.#restLater(one);
    }
  }

  /** The most that it may have from now on. */
  async limit(id: string, cpus: number): Promise<boolean> {
    const one = this.#followed.get(id);
    if (one === undefined) return this.#driver.limit(id, cpus);
    checkCpus(id, cpus);
    const changes = this.#reallocation.relimit(id, cpus);
    if (changes === null) {
      throw new LocusError("OVERLOADED", `instance ${id}: ${cpus} CPUs are not left of ${this.#options.cpus}`);
    }
    one.limit = cpus;
    this.#follow(one);
    this.#apply(changes);
    while (one.telling !== null) await one.telling;
    return this.#followed.has(id);
  }

  resize(id: string, memoryBytes: number): Promise<boolean> {
    return this.#driver.resize(id, memoryBytes);
  }

  async stop(id: string): Promise<void> {
    const one = this.#followed.get(id);
    if (one?.isTold === false) {
      return this.#abandon(one, new LocusError("INSTANCE_FAILED", `instance ${id} was stopped while it started`));
    }
    await this.#driver.stop(id);
    if (one !== undefined) this.#forget(one);
  }

  list(): Promise<readonly ListedInstance[]> {
    return this.#driver.list();
  }

  /** By function, in no order; without those that wait for room, and those whose quota nothing holds. */
  shares(): readonly QuotaShare[] {
    const told = this.#followed.values().filter(({ isTold }) => isTold);
    return Array.from(
      Map.groupBy(told, (one) => one.function),
      ([name, instances]) => {
        const errors = instances.flatMap(({ id }) => this.#reallocation.forecastError(id) ?? []);
        return {
          function: name,
          grantedCpus: sumOf(instances.map(({ reserved }) => reserved)),
          usedCpus: sumOf(instances.map(({ used }) => used)),
          forecastError: errors.length === 0 ? null : sumOf(errors) / errors.length,
        };
      },
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const one of this.#followed.values()) {
      if (!one.isTold)
        this.#abandon(one, new LocusError("INSTANCE_FAILED", `instance ${one.id}: the driver is closed`));
    }
    await this.#driver.close();
  }

  #restLater(one: FollowedInstance): void {
    if (!this.#options.limitsAtOnce || one.inFlight > 0 || this.#closed) return;
    if (one.restTimer !== null) clearTimeout(one.restTimer);
    one.restTimer = setTimeout(() => {
      if (this.#followed.get(one.id) === one) this.#apply(this.#reallocation.rested(one.id));
    }, restAfterMs(one.limit));
    one.restTimer.unref();
  }

  #lookLater(inMs: number): void {
    if (this.#timer !== null || this.#closed || this.#followed.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(), inMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const startedMs = performance.now();
    const instances = await this.#driver.list().catch(() => []);
    const nowMs = performance.now();
    const samples = instances.flatMap(({ id, use }) => {
      const one = this.#followed.get(id);
      return one === undefined || use === null ? [] : (sampleOf(one, use, nowMs) ?? []);
    });
    this.#apply(this.#reallocation.sampled(samples, nowMs));
    this.#timer = null;
    // One that takes long, as through an engine, is followed by a rest as long. Longer it may not be: a machine that is busy is slow to look.
    const looks = Math.ceil(this.#followed.size / INSTANCES_PER_LOOK);
    this.#lookLater(Math.max(LOOK_MS * looks, nowMs - startedMs));
  }

  #apply(changes: readonly Change[]): void {
    for (const { id } of changes) {
      const one = this.#followed.get(id);
      if (one !== undefined) this.#follow(one);
    }
  }

  /** Tells the driver what an instance shall have, unless it is being told, or others have to have less before. */
  #follow(one: FollowedInstance): void {
    if (one.telling !== null || this.#followed.get(one.id) !== one) return;
    const quota = this.#reallocation.granted(one.id);
    if (!one.isTold) one.reserved = quota;
    if (quota === one.reserved) return;
    if (quota > one.reserved && !this.#isWithin(this.#reserved() - one.reserved + quota)) return;
    this.#setTelling(one, this.#tell(one, quota, null));
  }

  /** `told` never rejects. */
  #setTelling(one: FollowedInstance, told: Promise<unknown>): void {
    one.telling = told.then(() => {
      one.telling = null;
      // It may be another by now, and what it has less is what others wait for.
      for (const other of this.#followed.values()) this.#follow(other);
    });
  }

  /** `otherwise`: what it is to have where nothing holds it; null: what it had. */
  async #tell(one: FollowedInstance, quota: number, otherwise: number | null): Promise<void> {
    const before = one.reserved;
    one.reserved = Math.max(before, quota);
    try {
      const isHeld = await this.#driver.limit(one.id, quota);
      one.reserved = quota;
      if (isHeld) return;
      this.#forget(one);
      this.#options.onUnheld(one.id, "the driver holds no quota");
      await this.#driver.limit(one.id, otherwise ?? before);
    } catch (error) {
      const isGone = error instanceof LocusError && error.code === "INSTANCE_NOT_FOUND";
      // One that ends has nothing to be limited any more, before it says that it is gone.
      if (!isGone) await Promise.race([one.forgotten.promise, sleep(END_MS, undefined, { ref: false })]);
      if (this.#followed.get(one.id) !== one) return;
      this.#forget(one);
      if (!isGone) this.#options.onUnheld(one.id, (error as Error).message);
    }
  }

  /** Those that are being told, where more is reserved than there is: what they are told then is less. null: there is room. */
  #inTheWay(): Promise<unknown> | null {
    const telling = Array.from(this.#followed.values()).flatMap(({ telling }) => telling ?? []);
    return telling.length === 0 || this.#isWithin(this.#reserved()) ? null : Promise.all(telling);
  }

  #isWithin(cpus: number): boolean {
    return cpus <= this.#options.cpus + ROUNDING;
  }

  #reserved(): number {
    let sum = 0;
    for (const { reserved } of this.#followed.values()) sum += reserved;
    return sum;
  }

  #forget(one: FollowedInstance): void {
    if (this.#followed.get(one.id) !== one) return;
    this.#followed.delete(one.id);
    one.forgotten.resolve();
    if (one.restTimer !== null) clearTimeout(one.restTimer);
    this.#apply(this.#reallocation.remove(one.id));
  }
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0);

/**
 * With a raise the kernel gives the quota of a whole period anew. One that has used its limit, which takes its thread that share of a period, and
 * then rested for the others, would have had that in any case: so it never has more in a period than its limit.
 */
const restAfterMs = (limit: number): number => Math.max(REST_AFTER_MS_MIN, (1 - limit) * LOOK_MS);

const unwanted = (id: string): LocusError =>
  new LocusError("CANCELLED", `instance ${id}: nobody waits for it any more`);
