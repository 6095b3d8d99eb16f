// The 2023 contest's Scaler over the real scheduler: its instances are slots of a Platform, one request each.

import { randomUUID } from "node:crypto";
import { LocusError } from "#runtime/errors.ts";
import type { SlotPlatform } from "../grpc/platform-service.ts";
import type { SlotAssignment, SlotMeta, SlotResult, SlotScaler } from "../grpc/scaler-service.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { InstanceDriver, LiveScheduler } from "../live-scheduler.ts";
import { HeldInstances } from "./held-instances.ts";
import { destroyAll, LeftSlots } from "./left-slots.ts";

/** Functions that it has heard of; one more is refused. Chosen: the largest data set has some hundred. */
const METAS_MAX = 100_000;
/** That a request may take whose meta does not say, ms: as long as any of the 2020 contest's. */
const UNTOLD_TIMEOUT_MS = 24 * 3_600_000;

interface Slot {
  readonly slotId: string;
  /** As the contest's messages name it. */
  readonly instanceId: string;
}

/** Makes instances of a platform's slots: of each the memory that its meta asks for, since the platform compares. */
export class SlotDriver implements InstanceDriver {
  readonly #platform: SlotPlatform;
  readonly #metas: ReadonlyMap<string, SlotMeta>;
  readonly #slots = new Map<Instance, Slot>();
  readonly #instances = new Map<string, Instance>();
  /** Ends what is asked of the platform for an instance that is not wanted any more. */
  readonly #starting = new Map<Instance, { readonly abort: AbortController; readonly done: Promise<void> }>();

  /** Destruction that is under way. */
  readonly #destroying = new Set<Promise<void>>();
  readonly #left = new LeftSlots((slotId, reason) => this.#isDestroyed(slotId, reason));

  constructor(platform: SlotPlatform, metas: ReadonlyMap<string, SlotMeta>) {
    this.#platform = platform;
    this.#metas = metas;
  }

  start(instance: Instance): Promise<void> {
    const abort = new AbortController();
    const done = this.#start(instance, abort.signal)
      .catch(anotherMayDo)
      .finally(() => this.#starting.delete(instance));
    this.#starting.set(instance, { abort, done });
    return done;
  }

  async stop(instance: Instance, reason: string): Promise<void> {
    const starting = this.#starting.get(instance);
    starting?.abort.abort();
    await starting?.done.catch(() => {});
    const slot = this.#slots.get(instance);
    if (slot === undefined) return;
    this.#slots.delete(instance);
    this.#instances.delete(slot.instanceId);
    await this.#destroy(slot.slotId, reason);
  }

  /** Gives every slot back: a platform that goes on would charge for them. */
  async close(): Promise<void> {
    for (const { abort } of this.#starting.values()) abort.abort();
    await Promise.allSettled(Array.from(this.#starting.values(), ({ done }) => done));
    const slots = Array.from(this.#slots.values(), ({ slotId }) => ({ slotId, reason: "the scaler ends" }));
    this.#slots.clear();
    this.#instances.clear();
    await destroyAll(slots, (slotId, reason) => this.#destroy(slotId, reason));
    await Promise.all(this.#destroying);
    await this.#left.close();
  }

  /** undefined: there is none of that id. */
  instanceOf(instanceId: string): Instance | undefined {
    return this.#instances.get(instanceId);
  }

  idOf(instance: Instance): string {
    const slot = this.#slots.get(instance);
    if (slot === undefined) throw new LocusError("INSTANCE_FAILED", `instance ${instance.id} is in no slot`);
    return slot.instanceId;
  }

  /** Never rejects: one that is there still is tried again later. */
  async #destroy(slotId: string, reason: string): Promise<void> {
    const destroyed = this.#isDestroyed(slotId, reason).then((isGone) => {
      if (!isGone) this.#left.add(slotId, reason);
    });
    this.#destroying.add(destroyed);
    await destroyed;
    this.#destroying.delete(destroyed);
  }

  /** False: it is there still, for all that is known. */
  async #isDestroyed(slotId: string, reason: string): Promise<boolean> {
    try {
      await this.#platform.destroySlot({ requestId: randomUUID(), slotId, reason });
      return true;
    } catch (error) {
      return isAbsent(error);
    }
  }

  async #start(instance: Instance, signal: AbortSignal): Promise<void> {
    const meta = this.#metas.get(instance.pool.config.key);
    if (meta === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `there is no meta ${instance.pool.config.key}`);
    const requestId = randomUUID();
    const { id: slotId } = await this.#platform.createSlot({ requestId, memoryMb: meta.memoryMb }, signal);
    const instanceId = randomUUID();
    try {
      await this.#platform.init({ requestId, slotId, instanceId, meta }, signal);
    } catch (error) {
      await this.#destroy(slotId, "it was not initialised");
      throw error;
    }
    this.#slots.set(instance, { slotId, instanceId });
    this.#instances.set(instanceId, instance);
  }
}

/** What a platform finds invalid may be its slot's fault, and not the function's. */
function anotherMayDo(error: unknown): never {
  if (!(error instanceof LocusError) || error.code !== "REQUEST_INVALID") throw error;
  throw new LocusError("INSTANCE_FAILED", error.message, { cause: error });
}

const isAbsent = (error: unknown): boolean => error instanceof LocusError && error.code === "INSTANCE_NOT_FOUND";

interface Held {
  readonly instance: Instance;
  /** The request that has it. */
  readonly requestId: string;
}

export interface SlotDeskOptions {
  readonly scheduler: LiveScheduler;
  readonly driver: SlotDriver;
  /** Shared with the driver: it starts what the desk has heard of. */
  readonly metas: Map<string, SlotMeta>;
  /** Told of each instance that no Idle came for. */
  readonly onLost: (requestId: string, instance: Instance) => void;
}

export class SlotDesk implements SlotScaler {
  readonly #scheduler: LiveScheduler;
  readonly #driver: SlotDriver;
  readonly #metas: Map<string, SlotMeta>;
  readonly #pools = new Map<string, FunctionPool>();
  readonly #held: HeldInstances<Instance, Held>;

  /** Scheduler and driver stay their owner's. */
  constructor({ scheduler, driver, metas, onLost }: SlotDeskOptions) {
    this.#scheduler = scheduler;
    this.#driver = driver;
    this.#metas = metas;
    this.#held = new HeldInstances(scheduler, (instance, { requestId }) => onLost(requestId, instance));
  }

  get held(): number {
    return this.#held.size;
  }

  async assign({ requestId, meta }: Parameters<SlotScaler["assign"]>[0], signal: AbortSignal): Promise<SlotAssignment> {
    const instance = await this.#scheduler.acquire(this.#poolOf(meta), Infinity, signal);
    // 0 is what a message says that does not say.
    const timeoutMs = meta.timeoutSeconds > 0 ? meta.timeoutSeconds * 1e3 : UNTOLD_TIMEOUT_MS;
    this.#held.hold(instance, { instance, requestId }, timeoutMs);
    try {
      return { requestId, metaKey: meta.key, instanceId: this.#driver.idOf(instance) };
    } catch (error) {
      this.#held.giveUp(instance);
      throw error;
    }
  }

  async idle({ requestId, metaKey, instanceId }: SlotAssignment, result: SlotResult): Promise<void> {
    if (!this.#pools.has(metaKey)) throw new LocusError("FUNCTION_NOT_FOUND", `there is no meta ${metaKey}`);
    const instance = this.#driver.instanceOf(instanceId);
    if (instance === undefined) throw new LocusError("INSTANCE_NOT_FOUND", `there is no instance ${instanceId}`);
    const holder = this.#held.get(instance)?.requestId;
    // It is idle: told twice.
    if (holder === undefined) return;
    if (holder !== requestId) {
      throw new LocusError("INSTANCE_NOT_HELD", `instance ${instanceId} serves another request than ${requestId}`);
    }
    this.#held.forget(instance);
    this.#scheduler.release(instance, { executionMs: result.durationMs, isBroken: result.needDestroy });
  }

  close(): void {
    this.#held.close();
  }

  #poolOf(meta: SlotMeta): FunctionPool {
    const known = this.#metas.get(meta.key);
    const pool = this.#pools.get(meta.key);
    if (pool !== undefined && !pool.removed && known?.memoryMb === meta.memoryMb) return pool;
    if (this.#metas.size >= METAS_MAX) throw new LocusError("OVERLOADED", `there are ${METAS_MAX} metas already`);
    this.#metas.set(meta.key, meta);
    const { key, memoryMb, timeoutSeconds } = meta;
    const bound = timeoutSeconds > 0 ? { timeoutMs: timeoutSeconds * 1e3 } : {};
    const declared = this.#scheduler.core.declare({ key, memoryMb, ...bound }, this.#scheduler.now());
    this.#pools.set(meta.key, declared);
    return declared;
  }
}
