// What a scheduler says of what it does, with the reason: an event for each start, stop, node and failure, and nothing per call. Bounded: beyond so
// many events a second what was left out is counted.

import type { SchedulerObserver } from "../live-scheduler.ts";

/** Chosen: a log that can be read. */
const EVENTS_PER_SECOND = 100;

export function eventLog(
  write: (event: object) => void,
  now: () => number,
): SchedulerObserver & { say(event: object): void } {
  let second = 0;
  let events = 0;
  let left = 0;
  const say = (event: object): void => {
    const current = Math.floor(now() / 1e3);
    if (current !== second) {
      if (left > 0) write({ event: "left out", events: left });
      [second, events, left] = [current, 0, 0];
    }
    if (++events > EVENTS_PER_SECOND) left++;
    else write(event);
  };
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
  eventLog((event) => write(JSON.stringify({ time: Date.now(), ...event })), Date.now);
