// Calls on instances of this node that are processes or containers: what `remote-calls.ts` is for other nodes'. What such an instance sends to Redis
// nobody sees but itself, so a call that dies with it may have written, and is not run again.

import { LocusError } from "#runtime/errors.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { DriverNode } from "#scheduler/service/driver-node.ts";
import type { AdmittedCall } from "../node/side-runner.ts";
import type { BookedInstance } from "./booked-instance.ts";
import { NOT_THERE, RUN_AGAIN, wasRefused } from "./remote-calls.ts";

/** What it came to. Never rejects but for what is a defect. */
export async function callHere(
  instances: Pick<DriverNode, "run">,
  { leased }: BookedInstance,
  { id, call }: AdmittedCall,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome | typeof RUN_AGAIN | typeof NOT_THERE> {
  const { keys, argsJson, logs } = call;
  try {
    const outcome = await instances.run(leased.id, { id, keys, argsJson, logs, deadlineMs }, signal);
    return wasRefused(outcome) ? RUN_AGAIN : outcome;
  } catch (error) {
    if (error instanceof LocusError && error.code === "INSTANCE_NOT_FOUND") return NOT_THERE;
    throw error;
  }
}
