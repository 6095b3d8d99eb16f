// What a function says that refused a call, beside its message: a status of HTTP, and data.

import { ERRORS } from "#runtime/errors.ts";
import type { GuestError } from "#runtime/sandbox/supervisor.ts";

export interface Refusal {
  readonly status: number;
  readonly data?: unknown;
}

/** Nothing where it is another error. What a sandbox host says may be anything, so the status is checked here. */
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
