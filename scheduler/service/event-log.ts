// What a scheduler's program says of what it does, with the reason: a line of JSON on standard output for each start, stop, node and failure,
// and nothing per call. Bounded: beyond so many lines a second what was left out is counted.

import type { SchedulerObserver } from "../live-scheduler.ts";

/** Chosen: a log that can be read. */
const LINES_PER_SECOND = 100;

export function eventLog(
  write: (line: string) => void,
  now: () => number,
): SchedulerObserver & { say(event: object): void } {
  let second = 0;
  let lines = 0;
  let left = 0;
  const say = (event: object): void => {
    const at = now();
    const current = Math.floor(at / 1e3);
    if (current !== second) {
      if (left > 0) write(JSON.stringify({ time: at, event: "left out", lines: left }));
      [second, lines, left] = [current, 0, 0];
    }
    if (++lines > LINES_PER_SECOND) left++;
    else write(JSON.stringify({ time: at, ...event }));
  };
  return {
    say,
    started: ({ id, pool, node }, why) =>
      say({ event: "start", instance: id, function: pool.config.key, node: node.id, why }),
    stopped: ({ id, pool, node }, why) =>
      say({ event: "stop", instance: id, function: pool.config.key, node: node.id, why }),
    failed: ({ id, pool }, why, retryInMs) =>
      say({ event: "failed", instance: id, function: pool.config.key, why, retryInMs }),
    node: (id, what, why) => say({ event: "node", node: id, what, why }),
    leaseEnded: ({ holder, instance: { id, pool } }, why) =>
      say({ event: "lease", instance: id, function: pool.config.key, holder, why }),
  };
}
