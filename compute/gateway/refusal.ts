// The HTTP status and the data of a refusal: what a function that throws a CallerError adds to its message.

import { ERRORS } from "#runtime/errors.ts";
import type { GuestError } from "#runtime/sandbox/supervisor.ts";

export interface Refusal {
  readonly status: number;
  readonly data?: unknown;
}

/** Empty for other errors. A sandbox host may send anything, so the status is checked here. */
export function refusalIn({ code, refusal }: GuestError): Refusal | undefined {
  if (code !== "CALL_REFUSED") return undefined;
  const status = ERRORS.CALL_REFUSED.http;
  try {
    const said = JSON.parse(refusal ?? "") as Partial<Refusal> | null;
    const isUsable = Number.isInteger(said?.status) && Number(said?.status) >= 400 && Number(said?.status) <= 499;
    return {
      status: isUsable ? Number(said?.status) : status,
      ...(said?.data === undefined ? {} : { data: said.data }),
    };
  } catch {
    return { status };
  }
}
