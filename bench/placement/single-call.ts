// One call of a function of the suite, on a side that is named.

import type { Invoker, Reply } from "#compute/node/invoker.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { SuiteCall } from "./suite.ts";

/** Throws where the call fails: what is measured would be of nothing. */
export async function callOnce(invoker: Invoker, name: string, call: SuiteCall, side: Side): Promise<Reply> {
  const asked = { function: name, version: null, ...call, side, deadlineMs: null, logs: false };
  const reply = await invoker.invoke(asked);
  if (!reply.ok) throw new Error(`${name} at ${side}: ${reply.error.code}: ${reply.error.message}`);
  return reply;
}
