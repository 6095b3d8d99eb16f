// A Platform of somebody else: where a scaler gets its slots from, the contest's simulator or ours.

import { integerIn, messageIn, nameIn } from "./field.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import type {
  CreateSlotReply,
  InitReply,
  ReplyStatus,
  Slot,
  SlotInitialised,
  SlotPlatform,
} from "./platform-service.ts";
import { memoryMbIn, metaMessage } from "./scaler-service.ts";
import { expectOk } from "./slot-status.ts";

export class PlatformClient implements SlotPlatform {
  readonly #peer: Peer;

  constructor(options: PeerOptions) {
    this.#peer = new Peer("serverless.simulator.Platform", options);
  }

  async createSlot(
    { requestId, memoryMb }: Parameters<SlotPlatform["createSlot"]>[0],
    signal?: AbortSignal,
  ): Promise<Slot> {
    const request = { request_id: requestId, resource_config: { memory_in_megabytes: memoryMb } };
    const reply: CreateSlotReply = await this.#peer.unary("CreateSlot", request, signal);
    expectOk("CreateSlot", reply);
    return this.#peer.checked("CreateSlot", () => slotIn(messageIn(reply.slot, "slot"), memoryMb));
  }

  async destroySlot(
    { requestId, slotId, reason }: Parameters<SlotPlatform["destroySlot"]>[0],
    signal?: AbortSignal,
  ): Promise<void> {
    const reply: ReplyStatus = await this.#peer.unary(
      "DestroySlot",
      { request_id: requestId, id: slotId, reason },
      signal,
    );
    expectOk("DestroySlot", reply);
  }

  async init(
    { requestId, slotId, instanceId, meta }: Parameters<SlotPlatform["init"]>[0],
    signal?: AbortSignal,
  ): Promise<SlotInitialised> {
    const request = {
      request_id: requestId,
      slot_id: slotId,
      instance_id: instanceId,
      meta_data: metaMessage(meta),
    };
    const reply: InitReply = await this.#peer.unary("Init", request, signal);
    expectOk("Init", reply);
    return this.#peer.checked("Init", () => ({
      createdAtMs: integerIn(reply.create_time, "create_time"),
      initDurationMs: integerIn(reply.init_duration_in_ms, "init_duration_in_ms"),
    }));
  }

  close(): void {
    this.#peer.close();
  }
}

/** One that does not say its size has the one asked for. */
const slotIn = (slot: NonNullable<CreateSlotReply["slot"]>, memoryMb: number): Slot => ({
  id: nameIn(slot.id, "slot.id"),
  memoryMb:
    slot.resource_config === null
      ? memoryMb
      : memoryMbIn(slot.resource_config.memory_in_megabytes, "slot.resource_config.memory_in_megabytes"),
  createdAtMs: integerIn(slot.create_time, "slot.create_time"),
  createDurationMs: integerIn(slot.create_duration_in_ms, "slot.create_duration_in_ms"),
});
