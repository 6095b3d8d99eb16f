import { describe, expect, test } from "vitest";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { costOf } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import {
  AS_CALIBRATED,
  NOTHING_RECKONED,
  reckonedWith,
  redisWorkUs,
  storageWorkAfter,
  withStorageWork,
  type ReckonedWork,
  type StorageWork,
} from "./storage-work.ts";

const CALL = { operations: 8, rounds: 2, bytes: 0, cpuUs: 200 };

const talliesOf = (calls: Readonly<Partial<Record<Side, number>>>, usage: Partial<Usage> = {}) => {
  const tally = new SampleTally();
  for (const side of ["compute", "storage"] as const) {
    const sample = { ...NO_USAGE, ...CALL, ...usage, function: "f", version: "1", side, outcome: "ok" } as const;
    for (let call = 0; call < (calls[side] ?? 0); call++) tally.record({ ...sample, wallUs: 400 }, 500);
  }
  return tally.take().tallies;
};
const reckonedOf = (calls: Readonly<Partial<Record<Side, number>>>, usage: Partial<Usage> = {}): ReckonedWork =>
  reckonedWith(NOTHING_RECKONED, talliesOf(calls, usage), DEFAULT_CONSTANTS);

describe("what calls come to by the constants", () => {
  test("is what the model has Redis work for those at compute", () => {
    const { redisUs } = costOf("compute", CALL, DEFAULT_CONSTANTS);
    const reckoned = reckonedOf({ compute: 10 });
    expect(reckoned.redisUs).toBeCloseTo(10 * redisUs);
    expect(reckoned).toMatchObject({ lockUs: 0, besideUs: 0, computedUs: 0 });
  });

  test("is what it has Redis and its hosts work for those at storage, the measured lock and computing apart", () => {
    const { redisUs, storageUs } = costOf("storage", CALL, DEFAULT_CONSTANTS);
    const { redisOperationUs } = DEFAULT_CONSTANTS.storage;
    const reckoned = reckonedOf({ storage: 10 }, { lockUs: 7 });
    expect(reckoned.redisUs).toBeCloseTo(10 * (redisUs - CALL.operations * redisOperationUs));
    expect(reckoned.besideUs).toBeCloseTo(10 * (storageUs - CALL.cpuUs));
    expect(reckoned).toMatchObject({ lockUs: 70, computedUs: 2_000 });
  });

  test("adds up over windows", () => {
    const before = reckonedOf({ compute: 3, storage: 2 });
    const now = reckonedWith(before, talliesOf({ compute: 5, storage: 7 }), DEFAULT_CONSTANTS);
    const all = reckonedOf({ compute: 8, storage: 9 });
    for (const term of ["redisUs", "lockUs", "besideUs", "computedUs", "calls", "untold"] as const) {
      expect(now[term]).toBeCloseTo(all[term]);
    }
  });
});

describe("what is worked for calls", () => {
  const reckoned: ReckonedWork = {
    redisUs: 400_000,
    lockUs: 50_000,
    besideUs: 200_000,
    computedUs: 300_000,
    calls: 10_000,
    untold: 0,
  };
  const SECOND_MS = 1_000;
  /** Redis works `redis` times as much as it should, and its hosts `beside` times, second for second. */
  const after = (seconds: number, { redis, beside }: StorageWork, from = AS_CALIBRATED): StorageWork => {
    const measured = { redisUs: 50_000 + redis * 400_000, besideUs: 300_000 + beside * 200_000 };
    let work = from;
    for (let second = 0; second < seconds; second++) work = storageWorkAfter(work, reckoned, measured, SECOND_MS);
    return work;
  };

  test("is found within seconds where it is less", () => {
    const work = after(6, { redis: 0.7, beside: 0.6 });
    expect(work.redis).toBeCloseTo(0.7, 1);
    expect(work.beside).toBeCloseTo(0.6, 1);
  });

  test("of the hosts also where it is more; of Redis more may be plain clients'", () => {
    const work = after(10, { redis: 3, beside: 1.5 });
    expect(work.redis).toBe(1);
    expect(work.beside).toBeCloseTo(1.5, 1);
  });

  test("of Redis is as calibrated again where others have come", () => {
    expect(after(1, { redis: 1.3, beside: 1 }, { redis: 0.5, beside: 1 }).redis).toBeCloseTo(0.75);
  });

  test.each([
    { redis: 0.01, beside: 0.01 },
    { redis: 0.01, beside: 50 },
  ])("is not learnt from what cannot be: %o", (work) => {
    const before = { redis: 0.8, beside: 0.9 };
    expect(after(10, work, before)).toEqual(before);
  });

  test("is not learnt while calls fail, whose work nobody knows, nor from windows of more time than there was", () => {
    const before = { redis: 0.8, beside: 0.9 };
    const measured = { redisUs: 290_000, besideUs: 440_000 };
    const failing = { ...reckoned, untold: 1_112 };
    expect(storageWorkAfter(before, failing, measured, SECOND_MS)).toEqual(before);
    const forged = { ...reckoned, redisUs: 1e19, lockUs: 1e22, computedUs: 1e22 };
    expect(storageWorkAfter(before, forged, measured, SECOND_MS)).toEqual(before);
    expect(storageWorkAfter(before, { ...reckoned, untold: 1_111 }, measured, SECOND_MS)).not.toEqual(before);
  });

  test("is told neither by few calls, nor where counts began anew", () => {
    const few = { ...reckoned, redisUs: 90_000, besideUs: 90_000 };
    const before = { redis: 0.8, beside: 0.9 };
    expect(storageWorkAfter(before, few, { redisUs: 1e6, besideUs: 1e6 }, SECOND_MS)).toEqual(before);
    expect(storageWorkAfter(before, reckoned, { redisUs: -1e6, besideUs: -1e6 }, SECOND_MS)).toEqual(before);
  });

  test("takes the place of the constants: what the model says then is what was worked", () => {
    const work = { redis: 0.7, beside: 0.6 };
    const constants = withStorageWork(DEFAULT_CONSTANTS, work);
    const calls = { compute: 4, storage: 6 };
    const before = reckonedOf(calls, { lockUs: 9 });
    const then = reckonedWith(NOTHING_RECKONED, talliesOf(calls, { lockUs: 9 }), constants);
    expect(redisWorkUs(then, AS_CALIBRATED)[0]).toBeCloseTo(redisWorkUs(before, work)[0]);
    expect(then.besideUs).toBeCloseTo(work.beside * before.besideUs);
  });
});
