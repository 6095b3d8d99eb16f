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
  callsWorkAfter,
  withCallsWork,
  type ReckonedWork,
  type CallsWork,
} from "./calls-work.ts";

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
  reckonedWith(NOTHING_RECKONED, talliesOf(calls, usage), DEFAULT_CONSTANTS, 0);

describe("what calls come to by the constants", () => {
  test("is what the model has Redis and the hosts of nodes work for those at compute, what nodes do themselves apart", () => {
    const { redisUs, computeUs } = costOf("compute", CALL, DEFAULT_CONSTANTS);
    const reckoned = reckonedOf({ compute: 10 });
    expect(reckoned.redisUs).toEqual({ compute: expect.closeTo(10 * redisUs), storage: 0 });
    expect(reckoned.hostsUs).toBeCloseTo(10 * (computeUs - CALL.cpuUs - DEFAULT_CONSTANTS.compute.nodeCallUs));
    expect(reckoned.hostsComputedUs).toBeCloseTo(10 * CALL.cpuUs);
    expect(reckoned).toMatchObject({ lockUs: 0, besideUs: 0, computedUs: 0 });
  });

  test("is what it has Redis and its hosts work for those at storage, the measured lock and computing apart", () => {
    const { redisUs, storageUs } = costOf("storage", CALL, DEFAULT_CONSTANTS);
    const { redisOperationUs } = DEFAULT_CONSTANTS.storage;
    const reckoned = reckonedOf({ storage: 10 }, { lockUs: 7 });
    const redisCallsUs = redisUs - CALL.operations * redisOperationUs;
    expect(reckoned.redisUs).toEqual({ compute: 0, storage: expect.closeTo(10 * redisCallsUs) });
    expect(reckoned.besideUs).toBeCloseTo(10 * (storageUs - CALL.cpuUs));
    expect(reckoned).toMatchObject({ lockUs: 70, computedUs: 2_000 });
  });

  test("is nothing of Redis and its hosts for rounds that the read cache answers", () => {
    const { redisCallUs } = DEFAULT_CONSTANTS.storage;
    const all = { foundOperations: CALL.operations, foundRounds: CALL.rounds };
    const reckoned = reckonedOf({ storage: 10 }, all);
    expect(reckoned.redisUs.storage).toBeCloseTo(10 * redisCallUs);
    const { callUs, operationUs, roundUs } = DEFAULT_CONSTANTS.storage;
    expect(reckoned.besideUs).toBeCloseTo(10 * (callUs + CALL.operations * operationUs));
    const half = reckonedOf({ storage: 10 }, { foundOperations: CALL.operations / 2, foundRounds: 1 });
    expect(half.besideUs - reckoned.besideUs).toBeCloseTo(10 * roundUs);
  });

  test("is a command for each call beside Redis, and one for each operation of those that are not", () => {
    const all = { foundOperations: CALL.operations, foundRounds: CALL.rounds };
    expect(reckonedOf({ storage: 10 }).commands).toBe(10);
    expect(reckonedOf({ storage: 10 }, all).commands).toBe(10);
    expect(reckonedOf({ compute: 3, storage: 10 }).commands).toBe(10 + 3 * CALL.operations);
  });

  test("adds up over windows", () => {
    const before = reckonedOf({ compute: 3, storage: 2 });
    const now = reckonedWith(before, talliesOf({ compute: 5, storage: 7 }), DEFAULT_CONSTANTS, 0);
    const all = reckonedOf({ compute: 8, storage: 9 });
    const { redisUs, ...others } = all;
    for (const side of ["compute", "storage"] as const) expect(now.redisUs[side]).toBeCloseTo(redisUs[side]);
    for (const [term, sum] of Object.entries(others) as [keyof typeof others, number][]) {
      expect(now[term]).toBeCloseTo(sum);
    }
  });

  test("is beside what hosts have worked, as long as all who tell of calls know that", () => {
    const tallies = talliesOf({ compute: 1 });
    const workedAfter = (...windows: readonly number[]): number => {
      let reckoned = NOTHING_RECKONED;
      for (const us of windows) reckoned = reckonedWith(reckoned, tallies, DEFAULT_CONSTANTS, us);
      return reckoned.hostsWorkedUs;
    };
    expect(workedAfter(300, 500)).toBe(800);
    expect(workedAfter(300, Number.NaN, 500)).toBeNaN();
  });

  test("is nothing of hosts that do not know what they have worked", () => {
    const known = reckonedWith(NOTHING_RECKONED, talliesOf({ compute: 1 }), DEFAULT_CONSTANTS, 300);
    const unknown = reckonedWith(known, talliesOf({ compute: 5 }), DEFAULT_CONSTANTS, null);
    const { hostsUs, hostsComputedUs, hostsWorkedUs } = known;
    expect(unknown).toMatchObject({ hostsUs, hostsComputedUs, hostsWorkedUs, calls: 6 });
    expect(unknown.redisUs.compute).toBeCloseTo(6 * known.redisUs.compute);
  });
});

describe("what is worked for calls", () => {
  const reckoned: ReckonedWork = {
    redisUs: { compute: 200_000, storage: 200_000 },
    lockUs: 50_000,
    besideUs: 200_000,
    computedUs: 300_000,
    hostsUs: 200_000,
    hostsComputedUs: 100_000,
    hostsWorkedUs: 300_000,
    commands: 20_000,
    commandsUs: 10_000,
    calls: 10_000,
    untold: 0,
  };
  const SECOND_MS = 1_000;
  const both = (redis: number): CallsWork["redis"] => ({ compute: redis, storage: redis });
  /** Redis works `redis` times as much as it should, and so do hosts, second for second; plain clients send it so many commands. */
  const after = (
    seconds: number,
    { redis, beside, hosts }: CallsWork,
    { from = AS_CALIBRATED, plain = 0, plainUs = 0 }: { from?: CallsWork; plain?: number; plainUs?: number } = {},
  ): CallsWork => {
    const commands = reckoned.commands + plain;
    const commandsUs = reckoned.commandsUs + reckoned.lockUs + plainUs;
    const redisUs = 50_000 + redis.compute * reckoned.redisUs.compute + redis.storage * reckoned.redisUs.storage;
    const measured = { redisUs, besideUs: 300_000 + beside * 200_000, commands, commandsUs };
    const reckonedNow = { ...reckoned, hostsWorkedUs: 100_000 + hosts * 200_000 };
    let work = from;
    for (let second = 0; second < seconds; second++) work = callsWorkAfter(work, reckonedNow, measured, SECOND_MS);
    return work;
  };

  test("is found within seconds where it is less", () => {
    const work = after(6, { redis: both(0.7), beside: 0.6, hosts: 0.5 });
    expect(work.redis.storage).toBeCloseTo(0.7, 1);
    expect(work.beside).toBeCloseTo(0.6, 1);
    expect(work.hosts).toBeCloseTo(0.5, 1);
  });

  test("is found where it is more", () => {
    const work = after(10, { redis: both(3), beside: 1.5, hosts: 1.8 });
    expect(work.redis.storage).toBeCloseTo(3, 1);
    expect(work.beside).toBeCloseTo(1.5, 1);
    expect(work.hosts).toBeCloseTo(1.8, 1);
  });

  test.each([
    ["a third of the commands are theirs", 10_000, 2],
    ["two thirds are", 40_000, 1],
    ["nobody says how many there were", Number.NaN, 1],
  ])("of Redis, that is more, may be plain clients' where %s", (_where, plain, redis) => {
    expect(after(10, { ...AS_CALIBRATED, redis: both(3) }, { plain }).redis.storage).toBeCloseTo(redis, 1);
  });

  test("of Redis, that is more, is plain clients' as far as commands took longer than those of calls can have", () => {
    const few = { plain: 20, plainUs: 430_000 };
    expect(after(10, { ...AS_CALIBRATED, redis: both(3) }, few).redis.storage).toBeCloseTo(2, 1);
    expect(after(10, { ...AS_CALIBRATED, redis: both(3) }, { ...few, plainUs: 30_000 }).redis.storage).toBeCloseTo(
      3,
      1,
    );
  });

  test("of Redis is as calibrated again where many others have come", () => {
    const from = { ...AS_CALIBRATED, redis: both(0.5) };
    expect(after(1, { ...AS_CALIBRATED, redis: both(1.3) }, { from, plain: 40_000 }).redis.storage).toBeCloseTo(0.75);
  });

  describe("of Redis, apart for calls of either side,", () => {
    const inSeconds = (
      seconds: number,
      from: CallsWork["redis"],
      told: {
        readonly true: CallsWork["redis"];
        readonly reckonedUs: (second: number) => CallsWork["redis"];
        readonly plainUs?: number;
      },
    ): CallsWork["redis"] => {
      let work: CallsWork = { ...AS_CALIBRATED, redis: from };
      for (let second = 0; second < seconds; second++) {
        const redisUs = told.reckonedUs(second);
        const workedUs = told.true.compute * redisUs.compute + told.true.storage * redisUs.storage;
        // Plain clients send as many commands as calls do.
        const commands = told.plainUs === undefined ? 20_000 : 40_000;
        const measured = {
          redisUs: 50_000 + workedUs + (told.plainUs ?? 0),
          besideUs: 500_000,
          commands,
          commandsUs: 60_000,
        };
        work = callsWorkAfter(work, { ...reckoned, redisUs }, measured, SECOND_MS);
      }
      return work.redis;
    };
    const all = (side: Side) => () => ({ ...both(0), [side]: 400_000 });

    test("is found on the side that has calls, and soon forgotten of the other", () => {
      const noisy = inSeconds(8, both(1), { true: both(3), reckonedUs: () => both(200_000) });
      expect(noisy.compute).toBeCloseTo(3, 1);
      const quiet = inSeconds(10, noisy, { true: both(0.6), reckonedUs: all("storage") });
      expect(quiet.storage).toBeCloseTo(0.6, 1);
      expect(quiet.compute, "half of it after 10 s").toBeCloseTo(2, 1);
      expect(inSeconds(60, quiet, { true: both(0.6), reckonedUs: all("storage") }).compute).toBeCloseTo(1, 1);
    });

    test("is found on both where they have calls by turns, or ever other parts of them", () => {
      const truth = { compute: 1.1, storage: 0.6 };
      const turns = inSeconds(12, both(1), {
        true: truth,
        reckonedUs: (at) => all(at % 2 === 0 ? "compute" : "storage")(),
      });
      expect(turns.compute).toBeCloseTo(1.1, 1);
      expect(turns.storage).toBeCloseTo(0.6, 1);
      const parts = (at: number) => ({
        compute: at % 2 === 0 ? 300_000 : 100_000,
        storage: at % 2 === 0 ? 100_000 : 300_000,
      });
      const mixed = inSeconds(40, both(1), { true: truth, reckonedUs: parts });
      expect(mixed.compute).toBeCloseTo(1.1, 1);
      expect(mixed.storage).toBeCloseTo(0.6, 1);
    });

    test("has both follow what is told of their sum, the one with more calls more", () => {
      const reckonedUs = () => ({ compute: 100_000, storage: 300_000 });
      const { compute, storage } = inSeconds(12, both(1), { true: both(0.5), reckonedUs });
      expect(compute * 100_000 + storage * 300_000).toBeCloseTo(0.5 * 400_000, -4);
      expect(1 - storage).toBeGreaterThan(2 * (1 - compute));
    });

    test("is not kept above what may be plain clients' by being less for the other side", () => {
      const reckonedUs = () => ({ compute: 100_000, storage: 300_000 });
      const believed = { compute: 2, storage: 0.6 };
      const { compute } = inSeconds(6, believed, { true: { compute: 2, storage: 0.6 }, reckonedUs, plainUs: 400_000 });
      expect(compute).toBeLessThan(1.1);
    });
  });

  test("of Redis is no more than four times as much", () => {
    expect(after(12, { ...AS_CALIBRATED, redis: both(9) }).redis.storage).toBeCloseTo(4, 1);
  });

  test.each([
    { redis: both(0.01), beside: 0.01, hosts: 0.01 },
    { redis: both(0.01), beside: 50, hosts: 50 },
    { redis: both(0.01), beside: 50, hosts: Number.NaN },
  ])("is not learnt from what cannot be: %o", (work) => {
    const before = { redis: both(0.8), beside: 0.9, hosts: 0.7 };
    expect(after(10, work, { from: before })).toEqual(before);
  });

  test("is not learnt while calls fail, whose work nobody knows, nor from windows of more time than there was", () => {
    const before = { redis: both(0.8), beside: 0.9, hosts: 0.7 };
    const measured = { redisUs: 290_000, besideUs: 440_000, commands: 20_000, commandsUs: 60_000 };
    const failing = { ...reckoned, untold: 1_112 };
    expect(callsWorkAfter(before, failing, measured, SECOND_MS)).toEqual(before);
    const forged = { ...reckoned, redisUs: both(1e19), lockUs: 1e22, computedUs: 1e22, hostsComputedUs: 1e22 };
    expect(callsWorkAfter(before, forged, measured, SECOND_MS)).toEqual(before);
    expect(callsWorkAfter(before, { ...reckoned, untold: 1_111 }, measured, SECOND_MS)).not.toEqual(before);
  });

  test("is told neither by few calls, nor where counts began anew", () => {
    const few = { ...reckoned, redisUs: both(45_000), besideUs: 90_000, hostsUs: 90_000 };
    const before = { redis: both(0.8), beside: 0.9, hosts: 0.7 };
    const measuredAs = (us: number) => ({ redisUs: us, besideUs: us, commands: us, commandsUs: us });
    expect(callsWorkAfter(before, few, measuredAs(1e6), SECOND_MS)).toEqual(before);
    const begunAnew = { ...reckoned, hostsWorkedUs: 0 };
    expect(callsWorkAfter(before, begunAnew, measuredAs(-1e6), SECOND_MS)).toEqual(before);
    // CONFIG RESETSTAT.
    const reset = { redisUs: 850_000, besideUs: 480_000, commands: -1e6, commandsUs: -1e6 };
    expect(callsWorkAfter({ ...before, redis: both(3) }, reckoned, reset, SECOND_MS).redis).toEqual(both(3));
  });

  test("takes the place of the constants: what the model says then is what was worked", () => {
    const work = { redis: { compute: 1.2, storage: 0.7 }, beside: 0.6, hosts: 1.3 };
    const constants = withCallsWork(DEFAULT_CONSTANTS, work);
    const calls = { compute: 4, storage: 6 };
    const before = reckonedOf(calls, { lockUs: 9 });
    const then = reckonedWith(NOTHING_RECKONED, talliesOf(calls, { lockUs: 9 }), constants, 0);
    expect(redisWorkUs(then, AS_CALIBRATED)[0]).toBeCloseTo(redisWorkUs(before, work)[0]);
    expect(then.besideUs).toBeCloseTo(work.beside * before.besideUs);
    expect(then.hostsUs).toBeCloseTo(work.hosts * before.hostsUs);
  });
});
