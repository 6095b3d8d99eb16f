// How long calls that wait will wait in all, as a fluid: they come at a rate for a while, and are served at the rate of those busy, of those
// starting once they have started, and of those that would be started now. The difference of two such sums says what a start is worth.

export interface Draining {
  /** Calls that wait now. */
  waiting: number;
  /** How long more keep coming, and how many per ms. */
  arrivingForMs: number;
  arrivalsPerMs: number;
  /** Calls that the busy instances end per ms. */
  busyPerMs: number;
  /** Instances that start, when they will have started, and what one ends per ms. */
  starting: number;
  startedInMs: number;
  perInstanceMs: number;
}

/** Waiting in all, in ms, were `extra` instances started now that take `startMs`; nothing is looked at beyond `horizonMs`. */
export function totalWaitMs(queue: Readonly<Draining>, extra: number, startMs: number, horizonMs: number): number {
  const { arrivingForMs, arrivalsPerMs, busyPerMs, starting, startedInMs, perInstanceMs } = queue;
  let left = queue.waiting;
  let atMs = 0;
  let sumMs = 0;
  let hasStarted = starting === 0;
  let hasExtra = extra === 0;
  while (atMs < horizonMs) {
    if (!hasStarted && startedInMs <= atMs) {
      hasStarted = true;
      left = Math.max(0, left - starting);
    }
    if (!hasExtra && startMs <= atMs) {
      hasExtra = true;
      left = Math.max(0, left - extra);
    }
    const arriving = atMs < arrivingForMs ? arrivalsPerMs : 0;
    const served = busyPerMs + (hasStarted ? starting * perInstanceMs : 0) + (hasExtra ? extra * perInstanceMs : 0);
    const change = arriving - served;
    // Until what changes next.
    let untilMs = horizonMs;
    if (atMs < arrivingForMs && arrivingForMs < untilMs) untilMs = arrivingForMs;
    if (!hasStarted && startedInMs < untilMs) untilMs = startedInMs;
    if (!hasExtra && startMs < untilMs) untilMs = startMs;
    const forMs = untilMs - atMs;
    const after = left + change * forMs;
    if (after >= 0) {
      sumMs += ((left + after) / 2) * forMs;
      left = after;
    } else {
      sumMs += (left * left) / (-2 * change);
      left = 0;
    }
    atMs = untilMs;
    if (left === 0 && hasStarted && hasExtra && atMs >= arrivingForMs) break;
  }
  return sumMs;
}
