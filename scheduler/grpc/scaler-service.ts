// serverless.simulator.Scaler, the contest's of 2023, over a port: an instance for each request, given back when the request has
// ended. How failures are told follows the contest's own scaler: most as a status of gRPC, two in the reply.

import { status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { type ErrorCode, LocusError } from "#runtime/errors.ts";
import { integerIn, messageIn, nameIn, noteIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";
import { SLOT_STATUS, type SlotStatus } from "./slot-status.ts";

/** A function as the 2023 contest's messages describe it. */
export interface SlotMeta {
  readonly key: string;
  readonly runtime: string;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
}

/** The bounds within which a meta makes sense; chosen. */
const TIMEOUT_SECONDS_MAX = 7 * 86_400;
const MEMORY_MB_MAX = 2 ** 20;

/** Which instance serves which request. */
export interface SlotAssignment {
  readonly requestId: string;
  readonly metaKey: string;
  readonly instanceId: string;
}

export interface SlotResult {
  /** 200, or a fault of the function's. */
  readonly statusCode: number;
  readonly durationMs: number;
  /** Whether the instance is not fit for another request. */
  readonly needDestroy: boolean;
  readonly reason: string;
}

export interface SlotScaler {
  /** `startedAtMs`: Unix time at which the request came. Rejects with INSTANCE_FAILED; with CANCELLED where `signal` aborts first: then nothing is held. */
  assign(
    request: { readonly requestId: string; readonly startedAtMs: number; readonly meta: SlotMeta },
    signal: AbortSignal,
  ): Promise<SlotAssignment>;
  /** An instance that is idle already is no mistake. Rejects with FUNCTION_NOT_FOUND, INSTANCE_NOT_FOUND, INSTANCE_NOT_HELD. */
  idle(assignment: SlotAssignment, result: SlotResult, signal?: AbortSignal): Promise<void>;
}

export interface MetaMessage {
  readonly key: string;
  readonly runtime: string;
  readonly timeout_in_secs: number;
  readonly memory_in_mb: number;
}
interface AssignmentMessage {
  readonly request_id: string;
  readonly meta_key: string;
  readonly instance_id: string;
}
interface AssignRequest {
  readonly request_id: string;
  readonly timestamp: number;
  readonly meta_data: MetaMessage | null;
}
interface AssignReply {
  readonly status: SlotStatus;
  readonly assigment?: AssignmentMessage;
  readonly error_message?: string;
}
interface IdleRequest {
  readonly assigment: AssignmentMessage | null;
  readonly result: {
    readonly status_code: number;
    readonly duration_in_ms: number;
    readonly need_destroy?: boolean;
    readonly reason?: string;
  } | null;
}
interface IdleReply {
  readonly status: SlotStatus;
  readonly error_message?: string;
}

export const scalerService = (scaler: SlotScaler): UntypedServiceImplementation => ({
  Assign: unary<AssignRequest, AssignReply>(
    async ({ request_id, timestamp, meta_data }, signal) => {
      const request = {
        requestId: nameIn(request_id, "request_id"),
        startedAtMs: integerIn(timestamp, "timestamp"),
        meta: metaIn(messageIn(meta_data, "meta_data")),
      };
      try {
        const { requestId, metaKey, instanceId } = await scaler.assign(request, signal);
        const assigment = { request_id: requestId, meta_key: metaKey, instance_id: instanceId };
        return { status: SLOT_STATUS.Ok, assigment };
      } catch (error) {
        return inReply(error, ASSIGN_STATUSES);
      }
    },
    (_request, { assigment }) => {
      // Nobody has it. Where it is gone already, all the better.
      if (assigment !== undefined) scaler.idle(assignmentIn(assigment), NEVER_RAN).catch(() => {});
    },
    // As the contest's own scaler tells it.
    { INSTANCE_FAILED: status.INTERNAL },
  ),
  Idle: unary<IdleRequest, IdleReply>(async ({ assigment, result }, signal) => {
    const assignment = assignmentIn(messageIn(assigment, "assigment"));
    try {
      await scaler.idle(assignment, resultIn(result), signal);
      return { status: SLOT_STATUS.Ok };
    } catch (error) {
      return inReply(error, IDLE_STATUSES);
    }
  }),
});

/** What is told in the reply; any other failure is thrown on, and becomes a status of gRPC. */
const ASSIGN_STATUSES = { OVERLOADED: SLOT_STATUS.Throttle };
const IDLE_STATUSES = {
  FUNCTION_NOT_FOUND: SLOT_STATUS.InternalError,
  INSTANCE_NOT_HELD: SLOT_STATUS.InvalidAssigment,
};

function inReply(error: unknown, statuses: Partial<Record<ErrorCode, SlotStatus>>): IdleReply {
  const status = error instanceof LocusError ? statuses[error.code] : undefined;
  if (status === undefined) throw error;
  return { status, error_message: (error as LocusError).message.toWellFormed() };
}

export const metaIn = (meta: MetaMessage): SlotMeta => ({
  key: nameIn(meta.key, "meta_data.key"),
  runtime: textIn(meta.runtime, "meta_data.runtime"),
  timeoutSeconds: integerIn(meta.timeout_in_secs, "meta_data.timeout_in_secs", 0, TIMEOUT_SECONDS_MAX),
  memoryMb: memoryMbIn(meta.memory_in_mb, "meta_data.memory_in_mb"),
});

export const metaMessage = ({ key, runtime, timeoutSeconds, memoryMb }: SlotMeta): MetaMessage => ({
  key,
  runtime,
  timeout_in_secs: timeoutSeconds,
  memory_in_mb: memoryMb,
});

export const memoryMbIn = (value: number, field: string): number => integerIn(value, field, 1, MEMORY_MB_MAX);

const assignmentIn = (assignment: AssignmentMessage): SlotAssignment => ({
  requestId: textIn(assignment.request_id, "assigment.request_id"),
  metaKey: nameIn(assignment.meta_key, "assigment.meta_key"),
  instanceId: nameIn(assignment.instance_id, "assigment.instance_id"),
});

/** Who sends no result had nothing to tell. */
const resultIn = (result: IdleRequest["result"]): SlotResult =>
  result === null
    ? NEVER_RAN
    : {
        statusCode: result.status_code,
        durationMs: integerIn(result.duration_in_ms, "result.duration_in_ms"),
        needDestroy: result.need_destroy ?? false,
        reason: noteIn(result.reason ?? ""),
      };

const NEVER_RAN: SlotResult = { statusCode: 0, durationMs: 0, needDestroy: false, reason: "" };
