// The statuses in replies of the 2023 contest, and the errors that they stand for at a client.

import { LocusError, type ErrorCode } from "#runtime/errors.ts";

/** serverless.simulator.Status; its spelling is the wire's. */
export const SLOT_STATUS = {
  Ok: 0,
  Throttle: 1,
  InternalError: 2,
  NotFound: 3,
  InvalidArgument: 4,
  InvalidAssigment: 5,
} as const;

export type SlotStatus = (typeof SLOT_STATUS)[keyof typeof SLOT_STATUS];

/** Statuses that are not here, whatever number, are INTERNAL. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [SLOT_STATUS.Throttle, "OVERLOADED"],
  [SLOT_STATUS.NotFound, "INSTANCE_NOT_FOUND"],
  [SLOT_STATUS.InvalidArgument, "REQUEST_INVALID"],
  [SLOT_STATUS.InvalidAssigment, "INSTANCE_NOT_FOUND"],
]);
const STATUSES = new Map<ErrorCode, SlotStatus>([
  ["OVERLOADED", SLOT_STATUS.Throttle],
  ["NODES_EXHAUSTED", SLOT_STATUS.Throttle],
  ["INSTANCE_NOT_FOUND", SLOT_STATUS.NotFound],
]);

/** Throws what a reply's status stands for; nothing for Ok. */
export function expectOk(
  attempted: string,
  { status, error_message: message = "" }: { readonly status: number; readonly error_message?: string },
): void {
  if (status === SLOT_STATUS.Ok) return;
  throw new LocusError(
    CODES.get(status) ?? "INTERNAL",
    `${attempted}: ${message === "" ? `status ${status}` : message}`,
  );
}

/** The status that tells of an error in a reply; null for those that are told as a status of gRPC. */
export const slotStatusOf = (error: unknown): SlotStatus | null =>
  error instanceof LocusError ? (STATUSES.get(error.code) ?? null) : null;
