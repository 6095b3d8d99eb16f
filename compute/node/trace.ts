// What a call was at, and when: made from what its sandboxes measured, once the call has ended and only where somebody asks. Between two
// turns and within them a call goes to and fro, so of these there is the time altogether.

import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { Reply } from "./invoker.ts";

/** In the order in which a run comes to them; the last three end it. */
export const TRACE_STATES = ["queued", "starting", "running", "waiting", "pushed-back", "done", "failed"] as const;

export interface TraceStep {
  readonly state: (typeof TRACE_STATES)[number];
  /** null where the call ended before a side was chosen. */
  readonly side: Side | null;
  /** Since the node admitted the call, µs: when it first came to it, its way to the side left out. Of `waiting` nobody noted it. */
  readonly atUs?: number;
  /** Altogether, µs; none of what ends a run. */
  readonly forUs?: number;
}

export const traceOf = ({ ok, side, usage, elapsedUs, sentUs, pushedBack }: Reply): readonly TraceStep[] => [
  ...(pushedBack === null
    ? []
    : [
        ...runOf("storage", pushedBack.sentUs, pushedBack.usage),
        { state: "pushed-back", side: "storage", atUs: pushedBack.endedUs } as const,
      ]),
  ...(side === null || usage === null ? [] : runOf(side, sentUs, usage)),
  { state: ok ? "done" : "failed", side, atUs: elapsedUs },
];

/** What took no time was not there. */
const runOf = (side: Side, sentUs: number, { queueUs, startUs, cpuUs, waitUs }: Usage): readonly TraceStep[] => {
  const dispatchedUs = Math.round(sentUs + queueUs);
  const startingUs = Math.round(startUs);
  const steps: readonly TraceStep[] = [
    { state: "queued", side, atUs: Math.round(sentUs), forUs: Math.round(queueUs - startUs) },
    { state: "starting", side, atUs: dispatchedUs - startingUs, forUs: startingUs },
    { state: "running", side, atUs: dispatchedUs, forUs: Math.round(cpuUs) },
    { state: "waiting", side, forUs: Math.round(waitUs) },
  ];
  return steps.filter(({ forUs = 0 }) => forUs > 0);
};
