// What a scheduler says of what it does, with the reason: an event for each start, stop, node and failure, and nothing per call. Bounded: beyond so
// many events a second what was left out is counted.

import { BoundedLines } from "#runtime/bounded-lines.ts";
import type { SchedulerObserver } from "../live-scheduler.ts";

/** `now`: a clock that is never set back, ms. */
export function eventLog(
  write: (event: object) => void,
  now: () => number,
): SchedulerObserver & { say(event: object): void } {
  const lines = new BoundedLines((events) => write({ event: "left out", events }), now);
  const say = (event: object): void => lines.write(() => write(event));
  return {
    say,
    started: ({ id, pool, node }, why, rule) =>
      say({ event: "start", instance: id, function: pool.config.key, node: node.id, why, rule }),
    stopped: ({ id, pool, node }, why) =>
      say({ event: "stop", instance: id, function: pool.config.key, node: node.id, why }),
    failed: ({ id, pool }, why, retryInMs) =>
      say({ event: "failed", instance: id, function: pool.config.key, why, retryInMs }),
    node: (id, what, why) => say({ event: "node", node: id, what, why }),
    leaseEnded: ({ holder, instance: { id, pool } }, why) =>
      say({ event: "lease", instance: id, function: pool.config.key, holder, why }),
  };
}

/** The same as lines of JSON, each with its time. */
export const lineLog = (write: (line: string) => void): ReturnType<typeof eventLog> =>
  eventLog(
    (event) => write(JSON.stringify({ time: Date.now(), ...event })),
    () => performance.now(),
  );
