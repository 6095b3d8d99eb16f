// Which limit ended a call, and how much it was: what is added to the messages that only its sandbox, or its queue, could write.

import type { ErrorCode } from "#runtime/errors.ts";
import type { Limits } from "#runtime/function/description.ts";

/** `askedMs`: the deadline that the call asked for; null: none. Empty where the code is about neither. LOCUS.CALL says it in the same words (storage-module/src/command_call.cc). */
export const limitText = (code: ErrorCode, limits: Limits, askedMs: number | null): string => {
  if (code === "MEMORY_LIMIT") return ` (limits.memoryMb: ${limits.memoryMb} MiB)`;
  if (code !== "DEADLINE_EXCEEDED") return "";
  return askedMs !== null && askedMs < limits.deadlineMs
    ? ` (the call's own deadline: ${askedMs} ms)`
    : ` (limits.deadlineMs: ${limits.deadlineMs} ms)`;
};
