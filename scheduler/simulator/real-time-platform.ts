// The 2023 contest's Platform in real time: slots that take as long to come as theirs, instances as long as their metas say, and an account of what
// they hold. Scalers, ours and others', are compared on it over the same wire.

import { setTimeout as sleep } from "node:timers/promises";
import { LocusError } from "#runtime/errors.ts";
import type { Slot, SlotInitialised, SlotPlatform } from "../grpc/platform-service.ts";
import type { SlotMeta } from "../grpc/scaler-service.ts";
import { CREATE_SLOT_MS, type TraceFunction } from "./trace.ts";

/** Slots at once; one more is refused. Chosen. */
const SLOTS_MAX = 100_000;

interface Held {
  readonly memoryMb: number;
  /** From the start of its creation it costs. */
  readonly createdMs: number;
  instance: { readonly id: string; readonly metaKey: string; isBusy: boolean } | null;
}

export class RealTimePlatform implements SlotPlatform {
  readonly #functions: ReadonlyMap<string, TraceFunction>;
  readonly #now: () => number;
  readonly #slots = new Map<string, Held>();
  readonly #instances = new Map<string, NonNullable<Held["instance"]>>();
  #serial = 0;
  #gbSeconds = 0;

  /** `now`: monotonic, ms. */
  constructor(functions: readonly TraceFunction[], now: () => number) {
    this.#functions = new Map(functions.map((one) => [one.key, one]));
    this.#now = now;
  }

  get liveSlots(): number {
    return this.#slots.size;
  }

  /** Of all slots, those that live until now. */
  get slotGbSeconds(): number {
    const nowMs = this.#now();
    return Array.from(this.#slots.values(), (slot) => gbSecondsOf(slot, nowMs)).reduce(
      (sum, one) => sum + one,
      this.#gbSeconds,
    );
  }

  async createSlot({ memoryMb }: Parameters<SlotPlatform["createSlot"]>[0], signal?: AbortSignal): Promise<Slot> {
    if (this.#slots.size >= SLOTS_MAX) throw new LocusError("OVERLOADED", `there are ${SLOTS_MAX} slots already`);
    const id = `slot-${this.#serial++}`;
    const createdAtMs = Date.now();
    this.#slots.set(id, { memoryMb, createdMs: this.#now(), instance: null });
    await sleep(CREATE_SLOT_MS, undefined, signal === undefined ? {} : { signal }).catch(() => this.#destroy(id));
    return { id, memoryMb, createdAtMs, createDurationMs: CREATE_SLOT_MS };
  }

  async init(
    { slotId, instanceId, meta }: Parameters<SlotPlatform["init"]>[0],
    signal?: AbortSignal,
  ): Promise<SlotInitialised> {
    const slot = this.#slot(slotId);
    const { initMs, memoryMb } = this.#function(meta);
    if (slot.instance !== null) throw new LocusError("REQUEST_INVALID", `slot ${slotId} has an instance already`);
    if (this.#instances.has(instanceId))
      throw new LocusError("REQUEST_INVALID", `there is an instance ${instanceId} already`);
    if (slot.memoryMb !== memoryMb) {
      throw new LocusError(
        "REQUEST_INVALID",
        `slot ${slotId} has ${slot.memoryMb} MB, and ${meta.key} asks for ${memoryMb}`,
      );
    }
    slot.instance = { id: instanceId, metaKey: meta.key, isBusy: false };
    const createdAtMs = Date.now();
    await sleep(initMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
    // Unless it was destroyed meanwhile.
    if (this.#slots.get(slotId) === slot) this.#instances.set(instanceId, slot.instance);
    return { createdAtMs, initDurationMs: initMs };
  }

  async destroySlot({ slotId }: Parameters<SlotPlatform["destroySlot"]>[0]): Promise<void> {
    this.#slot(slotId);
    this.#destroy(slotId);
  }

  /** A request begins in the instance. Throws INSTANCE_NOT_FOUND where it is of another function, or none; INSTANCE_NOT_HELD where it is busy. */
  begin(instanceId: string, metaKey: string): void {
    const instance = this.#instances.get(instanceId);
    if (instance?.metaKey !== metaKey)
      throw new LocusError("INSTANCE_NOT_FOUND", `there is no instance ${instanceId} of ${metaKey}`);
    if (instance.isBusy) throw new LocusError("INSTANCE_NOT_HELD", `instance ${instanceId} serves another request`);
    instance.isBusy = true;
  }

  end(instanceId: string): void {
    const instance = this.#instances.get(instanceId);
    if (instance !== undefined) instance.isBusy = false;
  }

  /** When the last request has ended. */
  destroyAll(): void {
    for (const id of this.#slots.keys()) this.#destroy(id);
  }

  #destroy(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    if (slot.instance !== null) this.#instances.delete(slot.instance.id);
    this.#gbSeconds += gbSecondsOf(slot, this.#now());
  }

  #slot(id: string): Held {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw new LocusError("INSTANCE_NOT_FOUND", `there is no slot ${id}`);
    return slot;
  }

  #function({ key }: SlotMeta): TraceFunction {
    const known = this.#functions.get(key);
    if (known === undefined) throw new LocusError("REQUEST_INVALID", `there is no meta ${key}`);
    return known;
  }
}

const gbSecondsOf = ({ memoryMb, createdMs }: Held, nowMs: number): number =>
  (memoryMb / 1_024) * ((nowMs - createdMs) / 1e3);
