// serverless.simulator.Platform, the contest's of 2023, over a port: slots, and instances in them. The simulator serves it to
// scalers, ours and others'.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { messageIn, nameIn, noteIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";
import { memoryMbIn, metaIn, type MetaMessage, type SlotMeta } from "./scaler-service.ts";
import { SLOT_STATUS, slotStatusOf, type SlotStatus } from "./slot-status.ts";

export interface Slot {
  readonly id: string;
  readonly memoryMb: number;
  /** Unix time, ms. */
  readonly createdAtMs: number;
  readonly createDurationMs: number;
}

export interface SlotInitialised {
  /** Unix time, ms. */
  readonly createdAtMs: number;
  readonly initDurationMs: number;
}

export interface SlotPlatform {
  createSlot(request: { readonly requestId: string; readonly memoryMb: number }, signal?: AbortSignal): Promise<Slot>;
  /** Rejects with INSTANCE_NOT_FOUND. */
  destroySlot(
    request: { readonly requestId: string; readonly slotId: string; readonly reason: string },
    signal?: AbortSignal,
  ): Promise<void>;
  /** Starts the function in the slot; the instance's id is the caller's choice. Rejects with INSTANCE_NOT_FOUND, REQUEST_INVALID. */
  init(
    request: {
      readonly requestId: string;
      readonly slotId: string;
      readonly instanceId: string;
      readonly meta: SlotMeta;
    },
    signal?: AbortSignal,
  ): Promise<SlotInitialised>;
}

export interface ReplyStatus {
  readonly status: SlotStatus;
  readonly error_message?: string;
}
interface ResourceConfig {
  readonly memory_in_megabytes: number;
}
export interface CreateSlotReply extends ReplyStatus {
  readonly slot?: {
    readonly id: string;
    readonly resource_config: ResourceConfig | null;
    readonly create_time: number;
    readonly create_duration_in_ms: number;
  };
}
export interface InitReply extends ReplyStatus {
  readonly create_time: number;
  readonly init_duration_in_ms: number;
}
interface CreateSlotRequest {
  readonly request_id: string;
  readonly resource_config: ResourceConfig | null;
}
interface DestroySlotRequest {
  readonly request_id: string;
  readonly id: string;
  readonly reason?: string;
}
interface InitRequest {
  readonly request_id: string;
  readonly slot_id: string;
  readonly instance_id: string;
  readonly meta_data: MetaMessage | null;
}

export const platformService = (platform: SlotPlatform): UntypedServiceImplementation => ({
  CreateSlot: unary<CreateSlotRequest, CreateSlotReply>(
    ({ request_id, resource_config }, signal) => {
      const { memory_in_megabytes } = messageIn(resource_config, "resource_config");
      const memoryMb = memoryMbIn(memory_in_megabytes, "resource_config.memory_in_megabytes");
      return told(async () => {
        const slot = await platform.createSlot({ requestId: textIn(request_id, "request_id"), memoryMb }, signal);
        return {
          slot: {
            id: slot.id,
            resource_config: { memory_in_megabytes: slot.memoryMb },
            create_time: slot.createdAtMs,
            create_duration_in_ms: slot.createDurationMs,
          },
        };
      });
    },
    ({ request_id }, { slot }) => {
      if (slot === undefined) return;
      // Nobody has it. Where it is gone already, all the better.
      platform.destroySlot({ requestId: request_id, slotId: slot.id, reason: "its caller went away" }).catch(() => {});
    },
  ),
  DestroySlot: unary<DestroySlotRequest, ReplyStatus>(({ request_id, id, reason = "" }, signal) => {
    const request = { requestId: textIn(request_id, "request_id"), slotId: nameIn(id, "id"), reason: noteIn(reason) };
    return told(async () => {
      await platform.destroySlot(request, signal);
      return {};
    });
  }),
  Init: unary<InitRequest, ReplyStatus & Partial<InitReply>>(
    ({ request_id, slot_id, instance_id, meta_data }, signal) => {
      const request = {
        requestId: textIn(request_id, "request_id"),
        slotId: nameIn(slot_id, "slot_id"),
        instanceId: nameIn(instance_id, "instance_id"),
        meta: metaIn(messageIn(meta_data, "meta_data")),
      };
      return told(async () => {
        const { createdAtMs, initDurationMs } = await platform.init(request, signal);
        return { create_time: createdAtMs, init_duration_in_ms: initDurationMs };
      });
    },
  ),
});

/** What the contest's platform tells in the reply; anything else is thrown on, and becomes a status of gRPC. */
async function told<Message extends object>(work: () => Promise<Message>): Promise<ReplyStatus & Partial<Message>> {
  try {
    return { status: SLOT_STATUS.Ok, ...(await work()) };
  } catch (error) {
    const status = slotStatusOf(error);
    if (status === null) throw error;
    return { status, error_message: (error as Error).message.toWellFormed() } as ReplyStatus & Partial<Message>;
  }
}
