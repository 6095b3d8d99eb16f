// A Platform as the 2023 contest's simulator has it: slots of so much memory, in each an instance of a function that asks for just that.

import { LocusError } from "#runtime/errors.ts";
import type { Slot, SlotInitialised, SlotPlatform } from "#scheduler/grpc/platform-service.ts";

export class TestPlatform implements SlotPlatform {
  /** By slot, the instance in it. */
  readonly slots = new Map<string, { readonly memoryMb: number; instanceId: string | null }>();
  readonly reasons: string[] = [];
  created = 0;
  /** Destroys none for now. */
  isBusy = false;
  /** Slots that it did not destroy since it was. */
  refusals = 0;
  /** Functions of this key cannot be initialised. */
  broken = "broken";

  async createSlot({ memoryMb }: Parameters<SlotPlatform["createSlot"]>[0]): Promise<Slot> {
    const id = `slot-${this.created++}`;
    this.slots.set(id, { memoryMb, instanceId: null });
    return { id, memoryMb, createdAtMs: Date.now(), createDurationMs: 1 };
  }

  async destroySlot({ slotId, reason }: Parameters<SlotPlatform["destroySlot"]>[0]): Promise<void> {
    if (this.isBusy) {
      this.refusals++;
      throw new LocusError("OVERLOADED", "too many requests");
    }
    if (!this.slots.delete(slotId)) throw new LocusError("INSTANCE_NOT_FOUND", `there is no slot ${slotId}`);
    this.reasons.push(reason);
  }

  async init({ slotId, instanceId, meta }: Parameters<SlotPlatform["init"]>[0]): Promise<SlotInitialised> {
    const slot = this.slots.get(slotId);
    if (slot === undefined) throw new LocusError("INSTANCE_NOT_FOUND", `there is no slot ${slotId}`);
    if (slot.memoryMb !== meta.memoryMb || meta.key === this.broken) {
      throw new LocusError("REQUEST_INVALID", `a slot of ${slot.memoryMb} MB for ${meta.key}`);
    }
    slot.instanceId = instanceId;
    return { createdAtMs: Date.now(), initDurationMs: 1 };
  }
}
