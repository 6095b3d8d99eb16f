// What the scheduler counts of everything together. Each figure is kept by the part that changes it.

export interface Counts {
  starting: number;
  idle: number;
  busy: number;
  draining: number;
  waiting: number;
  unplaced: number;
  /** Since the beginning. */
  arrivals: number;
  starts: number;
  failedStarts: number;
  refusals: number;
}

export const newCounts = (): Counts => ({
  starting: 0,
  idle: 0,
  busy: 0,
  draining: 0,
  waiting: 0,
  unplaced: 0,
  arrivals: 0,
  starts: 0,
  failedStarts: 0,
  refusals: 0,
});
