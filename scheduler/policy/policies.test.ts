import { describe, expect, test } from "vitest";

import { seededRandom } from "#runtime/seeded-random.ts";
import { ExecutionTime } from "./execution-time.ts";
import { forecast } from "./forecast.ts";
import { greedyDual } from "./greedy-dual.ts";
import { policyOf, type PolicyName } from "../service/policy-choice.ts";
import { forecastNext, hybridHistogram } from "./hybrid-histogram.ts";
import { GapHistogram, IdleGaps } from "./idle-gaps.ts";
import { chooseKeepAlive, newKeepAliveChoice } from "./keep-alive-choice.ts";
import { NOTHING_WARM, type FunctionPolicy, type Policy, type PoolView } from "./policy.ts";
import { totalWaitMs } from "./queue-drain.ts";
import { Reference2020 } from "./reference-2020.ts";
import { WaitingPrice } from "./waiting-price.ts";
import type { Weights2020 } from "./weights-2020.ts";

const POOL: PoolView = {
  busy: 0,
  idle: 0,
  starting: 0,
  waiting: 0,
  unplaced: 0,
  startingSinceMs: NaN,
  busySinceMs: NaN,
};
const FACTS = { memoryMb: 512 };
const MINUTE = 60_000;

describe("keep-alive of least cost", () => {
  const choose = (gapsMs: readonly number[], price: number): ReturnType<typeof newKeepAliveChoice> => {
    const gaps = new GapHistogram();
    for (const gapMs of gapsMs) gaps.add(gapMs);
    const choice = newKeepAliveChoice();
    chooseKeepAlive(gaps, null, 0, 0, 0.5, { gbSeconds: 0.5, waitSeconds: 1 }, price, Infinity, false, choice);
    return choice;
  };

  test("is nothing where a gap costs more than a start, and just above the gaps where it costs less", () => {
    expect(choose([10_000], 1).keepAliveMs).toBe(0);
    const { keepAliveMs } = choose([10_000], 10);
    expect(keepAliveMs).toBeGreaterThan(10_000);
    expect(keepAliveMs).toBeLessThan(11_000);
  });

  test("goes beyond the longest gap where waiting has a price that is worth the chance, never beyond the break-even", () => {
    const gaps = new GapHistogram();
    for (let seen = 0; seen < 5; seen++) gaps.add(60_000);
    const choice = newKeepAliveChoice();
    const keepAlive = (known: GapHistogram | undefined, price: number): number => {
      chooseKeepAlive(known, null, 0, 1, 0.5, { gbSeconds: 0.5, waitSeconds: 1 }, price, Infinity, true, choice);
      return choice.keepAliveMs;
    };
    expect(keepAlive(gaps, 60)).toBeLessThan(70_000);
    const breakEvenMs = (1_000 + 0.5) / 0.5 / 1e-3;
    expect(keepAlive(gaps, 1_000)).toBeGreaterThan(70_000);
    expect(keepAlive(gaps, 1_000)).toBeLessThan(breakEvenMs);
    expect(keepAlive(undefined, 1_000)).toBeCloseTo(breakEvenMs);
  });

  test("ends before the gaps that are too long for it, and counts what these cost", () => {
    const { keepAliveMs, waitedSeconds, heldGbSeconds } = choose([100, 100, 100, 1e6], 10);
    expect(keepAliveMs).toBeLessThan(200);
    expect(waitedSeconds).toBe(1);
    expect(heldGbSeconds).toBeCloseTo(0.5 * (0.3 + keepAliveMs / 1e3) + 0.5);
  });
});

test("idle gaps are kept by level: the lowest instance waits for the next call, the higher for the next burst", () => {
  const gaps = new IdleGaps();
  for (let burst = 0; burst < 10; burst++) {
    const atMs = burst * 10_000;
    for (let call = 0; call < 4; call++) gaps.arrived(atMs);
    for (let call = 0; call < 4; call++) gaps.ended(atMs + 100);
    gaps.arrived(atMs + 200);
    gaps.ended(atMs + 300);
  }
  expect(gaps.firstUses).toBe(4);
  expect(gaps.at(2)!.gaps).toBe(2 * 9 + 10);
  expect(gaps.at(0)!.first).toBeGreaterThan(gaps.at(2)!.first);
});

test("what is left of an execution is what those as long had left; of one longer than all, as much again", () => {
  const execution = new ExecutionTime();
  for (let call = 0; call < 50; call++) execution.add(100);
  for (let call = 0; call < 50; call++) execution.add(10_000);
  expect(execution.leftMs(0)).toBeCloseTo(5_050);
  expect(execution.leftMs(1_000)).toBeCloseTo(9_000);
  expect(execution.leftMs(50_000)).toBe(50_000);
});

test("waiting in all is the area under the queue", () => {
  const queue = {
    waiting: 10,
    arrivingForMs: 0,
    arrivalsPerMs: 0,
    busyPerMs: 0.1,
    starting: 0,
    startedInMs: 0,
    perInstanceMs: 0.1,
  };
  expect(totalWaitMs(queue, 0, 50, 1_000)).toBeCloseTo((10 * 100) / 2);
  // At 50 ms five are left; one is taken by the new instance, and the rest go twice as fast.
  expect(totalWaitMs(queue, 1, 50, 1_000)).toBeCloseTo(((10 + 5) / 2) * 50 + (4 * 20) / 2);
});

test("the price of waiting takes the better of two optima", () => {
  const price = new WaitingPrice({ kind: "score-2023" });
  price.executedSeconds = 100;
  price.executedGbSeconds = 100;
  // Holding a little waits as long as it runs; holding very much never waits.
  price.held.fill(100);
  price.waited.fill(100);
  price.held.fill(1e6, 10);
  price.waited.fill(0, 10);
  price.settle();
  const low = price.price;
  price.held.fill(120, 10);
  price.settle();
  expect(price.price).toBeGreaterThan(low);
});

test("the price of waiting does not hang on the order in which sums were added up", () => {
  const priceWith = (rounding: number): number => {
    const price = new WaitingPrice({ kind: "score-2023" });
    price.executedSeconds = 100;
    price.executedGbSeconds = 100;
    // The same is done at all prices but the lowest and the highest few.
    price.held.fill(1_000, 0, 2).fill(200, 2, 16).fill(5_000, 16);
    price.waited.fill(1_000, 0, 2).fill(50, 2, 16).fill(40, 16);
    price.held[9]! -= rounding;
    price.waited[3]! += rounding;
    price.settle();
    return price.price;
  };
  expect(priceWith(1e-12)).toBeCloseTo(priceWith(0), 6);
  expect(priceWith(-1e-12)).toBeCloseTo(priceWith(0), 6);
});

test("the price of waiting outlives a restart, as JSON, and goes on as it would have", () => {
  const price = new WaitingPrice({ kind: "score-2023" });
  const again = new WaitingPrice({ kind: "score-2023" });
  price.executedSeconds = 100;
  price.executedGbSeconds = 100;
  price.held.forEach((_, rung) => (price.held[rung] = 50 * 2 ** rung));
  price.waited.forEach((_, rung) => (price.waited[rung] = 500 / 2 ** rung));
  price.heldSince(300);
  price.settle();
  const unknown = again.price;
  again.restore(JSON.parse(JSON.stringify(price.save())));
  expect(again.price).toBe(price.price);
  expect(again.price).not.toBe(unknown);
  price.heldSince(300 + 40);
  price.settle();
  again.heldSince(40);
  again.settle();
  expect(again.price).toBe(price.price);
});

test("what was held does not become less where one tells of a time before others were told of theirs", () => {
  const price = new WaitingPrice({ kind: "score-2023" });
  price.executedSeconds = 100;
  price.executedGbSeconds = 100;
  price.heldSince(-130);
  expect(price.save()?.[2]).toBe(0);
  price.heldSince(300);
  price.heldSince(200);
  expect(price.save()?.[2]).toBe(300);
});

test.each([
  ["one sum too few", (sums: number[]) => sums.slice(1)],
  ["one too many", (sums: number[]) => [...sums, 1]],
  ["less than nothing", (sums: number[]) => sums.with(2, -1)],
  ["nothing executed that could be divided by", (sums: number[]) => sums.with(1, 1)],
])("a price is not restored from %s", (_, spoilt) => {
  const price = new WaitingPrice({ kind: "score-2023" });
  expect(() => price.restore(spoilt([...price.save()!]))).toThrow(/no count|not the sums|not at most/);
});

describe("hybrid histogram", () => {
  test("keeps for four hours while it knows nothing, then ends, starts again before the head and stays until the tail", () => {
    const one = hybridHistogram().follow(FACTS, 0);
    const call = (atMs: number): number => {
      one.arrived(atMs);
      one.ended(1_000, atMs + 1_000);
      return one.keepAliveMs(1, atMs + 1_000);
    };
    expect(call(0)).toBe(240 * MINUTE);
    for (let at = 1; at < 20; at++) call(at * 30 * MINUTE);
    const endMs = 19 * 30 * MINUTE + 1_000;
    expect(one.nextPlanMs(endMs)).toBeCloseTo(endMs + 29 * MINUTE * 0.9 - 1_000);
    const { warm, untilMs } = one.plan(POOL, one.nextPlanMs(endMs));
    expect(warm).toBe(1);
    expect(untilMs).toBeCloseTo(endMs + 30 * MINUTE * 1.1);
  });

  test("forecasts what is longer than its histogram", () => {
    expect(forecastNext([5, 5, 5, 5])).toBe(5);
    expect(forecastNext([1, 3, 1, 3, 1])).toBeCloseTo(3, 0);
  });
});

test("greedy-dual: what is called more, starts longer and is smaller is worth more, and the clock goes on", () => {
  const policy = greedyDual();
  const [often, seldom, large] = [
    policy.follow(FACTS, 0),
    policy.follow(FACTS, 0),
    policy.follow({ ...FACTS, memoryMb: 5_120 }, 0),
  ];
  for (let call = 0; call < 3; call++) often.arrived(call);
  seldom.arrived(0);
  large.arrived(0);
  expect(often.worth(0)).toBeGreaterThan(seldom.worth(0));
  expect(seldom.worth(0)).toBeGreaterThan(large.worth(0));
  const before = seldom.worth(0);
  often.evicted(often.worth(0), POOL);
  expect(seldom.worth(0)).toBeGreaterThan(before);
});

test("what the hybrid histogram knows outlives a restart, as JSON: its next windows are those that it would have had", () => {
  const START_MS = 2_000;
  /** From the call's end on. */
  const windowAfter = (one: FunctionPolicy, atMs: number): readonly number[] => {
    one.arrived(atMs);
    one.ended(1_000, atMs + 1_000);
    const keepAliveMs = one.keepAliveMs(1, atMs + 1_000);
    const planMs = one.nextPlanMs(atMs + 1_000);
    const { untilMs } = one.plan(POOL, planMs);
    return [keepAliveMs, planMs - atMs, untilMs - atMs].map(Math.round);
  };
  // Within the histogram, and beyond it, where the next is forecast from the last.
  for (const minutes of [30, 300]) {
    const one = hybridHistogram().follow(FACTS, 0);
    one.started(START_MS, 0);
    let window: readonly number[] = [];
    for (let call = 0; call < 20; call++) window = windowAfter(one, (call * minutes + (call % 3)) * MINUTE);
    const saved: unknown = JSON.parse(JSON.stringify(one.save()));
    const restored = hybridHistogram().follow(FACTS, 0, saved);
    expect(restored.save()).toEqual(saved);
    expect(window[0]).toBe(0);
    expect(windowAfter(restored, 1e9)).toEqual(window);
  }
});

test("greedy-dual's clock outlives a restart, as JSON, and so does what functions are worth by it", () => {
  const policy = greedyDual();
  const [evicted, kept] = [policy.follow(FACTS, 0), policy.follow(FACTS, 0)];
  evicted.arrived(0);
  evicted.evicted(evicted.worth(0), POOL);
  kept.started(3_500, 0);
  for (let call = 0; call < 3; call++) kept.arrived(call);
  const [common, saved] = JSON.parse(JSON.stringify([policy.save(), kept.save()])) as unknown[];
  const again = greedyDual();
  again.restore(common);
  const [restored, unknown] = [again.follow(FACTS, 0, saved), again.follow(FACTS, 0)];
  expect(restored.worth(0)).toBe(kept.worth(0));
  expect(unknown.worth(0)).toBeGreaterThan(0);
  for (const one of [kept, restored]) one.arrived(10);
  expect(restored.worth(10)).toBe(kept.worth(10));
});

describe("the price of waiting by the 2020 contest's score", () => {
  const EVEN = { responseTime: 0.5, nodeDuration: 0.5 };

  test("is what a second adds to the score over what a GB·s held adds, both as the reference comes to them", () => {
    const reference = new Reference2020(EVEN, 60);
    const [one, other] = [reference.follow(0.5), reference.follow(2)];
    expect(one.price).toBeNull();
    // Two calls at once have two containers there, each 3 s in starting; a third after them has one of these.
    one.arrived(1, 3_000, 0);
    one.arrived(2, 3_000, 0);
    other.arrived(1, 1_000, 0);
    one.ended(1, 5_000);
    one.ended(0, 5_000);
    one.arrived(1, 3_000, 100_000);
    const [heldThere, oneThere, otherThere] = [(2 * 0.5 + 2) * 100, 2 * 3 + 2 * 5, 1];
    expect(one.price).toBeCloseTo(heldThere / (2 * oneThere), 6);
    expect(other.price).toBeCloseTo(heldThere / (2 * otherThere), 6);
  });

  test("counts a start again where the reference had no room to keep the container", () => {
    const reference = new Reference2020(EVEN, 2);
    const [one, other] = [reference.follow(2), reference.follow(1)];
    const responseSeconds = (): number => (2 * 100) / (2 * one.price!);
    one.arrived(1, 3_000, 0);
    // Used: the other waits in vain for its room.
    other.arrived(1, 3_000, 10_000);
    other.ended(0, 0);
    one.ended(0, 1_000);
    one.arrived(1, 3_000, 100_000);
    expect(responseSeconds()).toBeCloseTo(3 + 1, 6);
    one.ended(0, 0);
    other.arrived(1, 3_000, 100_000);
    other.ended(0, 0);
    one.arrived(1, 3_000, 100_000);
    expect(responseSeconds()).toBeCloseTo(3 + 1 + 3, 6);
  });

  test("remembers so many functions, and gives back what those had that it forgets", () => {
    const reference = new Reference2020(EVEN, 1e9);
    const first = reference.follow(1);
    first.arrived(1, 1_000, 0);
    for (let count = 0; count < 20_000; count++) reference.follow(1).arrived(1, 1_000, 10_000);
    // Of 10,000 functions a GB each for 10 s, and a second of response time.
    expect(first.price).toBeCloseTo((10_000 * 10) / 10_000, 6);
  });

  test("outlives a restart, as JSON, before all functions are called again", () => {
    const follow = (reference: Reference2020, saved: readonly unknown[] = []) =>
      [0.5, 2].map((memoryGb, at) => reference.follow(memoryGb, saved[at]));
    const before = new Reference2020(EVEN, 60);
    const [one, other] = follow(before);
    one!.arrived(1, 3_000, 0);
    one!.arrived(2, 3_000, 0);
    other!.arrived(1, 1_000, 0);
    one!.ended(1, 5_000);
    one!.ended(0, 5_000);
    other!.ended(0, 0);
    one!.arrived(1, 3_000, 100_000);
    one!.ended(0, 0);
    const [all, ...each] = JSON.parse(JSON.stringify([before.save(), one!.save(), other!.save()])) as unknown[];
    const after = new Reference2020(EVEN, 60);
    after.restore(all);
    const [again, ...others] = follow(after, each);
    expect(again!.price).toBeCloseTo(one!.price!, 6);
    expect([after.save(), again!.save(), others[0]!.save()]).toEqual([all, ...each]);
    // It has its two containers still, and a third is started; time goes on.
    for (const [which, atMs] of [
      [one!, 150_000],
      [again!, 50_000],
    ] as const) {
      which.arrived(1, 3_000, atMs - 50_000);
      for (const inFlight of [1, 2, 3]) which.arrived(inFlight, 3_000, atMs);
    }
    expect(again!.price).toBeCloseTo(one!.price!, 6);
  });

  test("takes no more than there can be from what was saved, and nothing of a function alone", () => {
    const reference = new Reference2020(EVEN, 4);
    reference.restore([0, 1e9, 1e9]);
    expect(reference.save()).toEqual([0, 4, 10_000]);
    const saved = [1e9, 5];
    expect(reference.follow(1, saved).save()).toEqual([4, 5]);
    // It is followed again, with other memory.
    expect(reference.follow(1, saved).save()).toEqual([0, 0]);
    expect(reference.follow(1, [1, 5]).save()).toEqual([0, 5]);
    const never = new Reference2020(EVEN, 4);
    never.restore([1e3, 4, 1]);
    for (let one = 0; one < 5; one++) never.follow(1, [0, 0]);
    expect(never.follow(1, [3, 0]).save()).toEqual([0, 0]);
    expect(never.save()).toEqual([1e3, 4, 1]);
    expect(() => reference.restore([-1, 0, 0])).toThrow("is no count");
    expect(() => reference.follow(1, [1, 2, 3])).toThrow("not at most");
    expect(new Reference2020(EVEN, 4).follow(1, [1, 5]).save()).toEqual([0, 0]);
  });

  test("goes by the weights", () => {
    const priceWith = (weights: Weights2020): number => {
      const one = new Reference2020(weights, 60).follow(1);
      one.arrived(1, 1_000, 0);
      return one.price!;
    };
    expect(priceWith({ responseTime: 0.75, nodeDuration: 0.25 })).toBeCloseTo(3 * priceWith(EVEN), 6);
  });

  test("keeps instances longer the more response times weigh, and in no other policy", () => {
    const keepAliveMs = (name: PolicyName, responseTime: number): number => {
      const weights = { responseTime, nodeDuration: 1 - responseTime };
      const one = policyOf(name, { kind: "score-2020", weights, gbMax: 60 }).follow(FACTS, 0);
      const random = seededRandom(1);
      let keepMs = NaN;
      // Gaps of a second to some minutes, and nothing regular in them.
      for (let call = 0, atMs = 0; call < 60; call++, atMs += 1_000 * 300 ** random()) {
        one.arrived(atMs);
        if (call === 0) one.started(3_500, atMs);
        one.ended(100, atMs + 100);
        keepMs = one.keepAliveMs(1, atMs + 100);
      }
      return keepMs;
    };
    expect(keepAliveMs("forecast", 0.99)).toBeGreaterThan(2 * keepAliveMs("forecast", 0.01));
    expect(keepAliveMs("hybrid-histogram", 0.99)).toBe(keepAliveMs("hybrid-histogram", 0.01));
  });
});

test.each(["forecast", "hybrid-histogram", "greedy-dual"] as const)(
  "what %s was saved to know is refused where it cannot have been saved",
  (name) => {
    const policy = policyOf(name);
    const one = policy.follow(FACTS, 0);
    one.started(150, 0);
    for (let at = 0; at < 5; at++) {
      one.arrived(at * 60_000);
      one.ended(50, at * 60_000 + 50);
    }
    const [common, saved] = JSON.parse(JSON.stringify([policy.save(), one.save()])) as unknown[];
    const spoilt = spoiltOf(saved);
    expect(spoilt.length).toBeGreaterThan(1);
    for (const each of spoilt) expect(() => policyOf(name).follow(FACTS, 0, each)).toThrow("is no count");
    for (const each of spoiltOf(common)) expect(() => policyOf(name).restore(each)).toThrow("is no count");
    policyOf(name).restore(common);
    policyOf(name).follow(FACTS, 0, saved);
  },
);

/** As often as there is a number that decides: a number in its place that is none, as JSON has it. */
function spoiltOf(saved: unknown): readonly unknown[] {
  const text = JSON.stringify(saved);
  const places = [...text.matchAll(/(?<=[[,:]|^)\d+(\.\d+)?(?=[\],}]|$)/g)];
  return places.flatMap(({ index, 0: number }) =>
    ["1e999", "-1", '"x"', "null"].map(
      (wrong) => JSON.parse(text.slice(0, index) + wrong + text.slice(index + number.length)) as unknown,
    ),
  );
}

describe("what our own policy knows", () => {
  const START_MS = 3_000;
  /** Each call of those that come at once, one after another on however many instances. */
  const EXECUTION_MS = 400;
  const HELD_GB = 2;
  const HOUR = 60 * MINUTE;
  const random = seededRandom(1);
  /** When calls come, and how many at once: of one function in bursts each minute, of the other one at a time, and nothing regular in them. */
  const LOADS = [
    { calls: 6, gapsMs: Array.from({ length: 120 }, (_, at) => 60_000 + [0, 300, -200][at % 3]!) },
    { calls: 1, gapsMs: Array.from({ length: 700 }, () => 3_000 * 40 ** random()) },
  ];
  const ONE_AT_A_TIME = 1;
  type Life = readonly [policy: Policy, functions: readonly FunctionPolicy[]];
  const begun = (nowMs: number, [common, ...functions]: readonly unknown[] = []): Life => {
    const policy = forecast();
    policy.attach({ heldGbSeconds: (atMs) => (HELD_GB * (atMs - nowMs)) / 1e3 });
    if (common !== undefined) policy.restore(common);
    return [policy, LOADS.map((_, at) => policy.follow(FACTS, nowMs, functions[at]))];
  };
  const saved = ([policy, functions]: Life): unknown[] =>
    JSON.parse(JSON.stringify([policy.save(), ...functions.map((one) => one.save())])) as unknown[];

  /** Of calls that come at once: how many instances start, how long each stays, when others are started ahead, how many, and until when. */
  const decided = (one: FunctionPolicy, calls: number, atMs: number): readonly number[] => {
    for (let call = 0; call < calls; call++) one.arrived(atMs);
    const starts = one.startsFor({ ...POOL, waiting: calls }, atMs);
    const keepMs: number[] = [];
    for (let call = 1; call <= calls; call++) {
      const endMs = atMs + call * EXECUTION_MS;
      one.waited(endMs - EXECUTION_MS - atMs, endMs - EXECUTION_MS);
      one.ended(EXECUTION_MS, endMs);
      keepMs.push(one.keepAliveMs(call, endMs));
    }
    const planMs = one.nextPlanMs(atMs);
    const { warm, untilMs } = planMs === Infinity ? NOTHING_WARM : one.plan(POOL, planMs);
    const ahead = warm === 0 ? [] : [planMs - atMs, untilMs - atMs];
    return [starts, warm, ...keepMs, ...ahead].map(Math.round);
  };
  /** All that is decided of the calls of so long. */
  const live = ([, functions]: Life, fromMs: number, toMs: number): readonly (readonly number[])[] => {
    const events = LOADS.flatMap(({ calls, gapsMs }, which) => {
      const times: number[] = [];
      for (let atMs = 0, round = 0; atMs < toMs; atMs += gapsMs[round++]!) times.push(atMs);
      return times.filter((atMs) => atMs >= fromMs).map((atMs) => ({ atMs, which, calls }));
    });
    return events
      .toSorted((one, other) => one.atMs - other.atMs)
      .map(({ atMs, which, calls }) => [which, ...decided(functions[which]!, calls, atMs)]);
  };
  const learned = (): Life => {
    const life = begun(0);
    for (const one of life[1]) one.started(START_MS, 0);
    live(life, 0, HOUR);
    return life;
  };
  const errorsOf = ([, functions]: Life): readonly (number | null)[] => functions.map((one) => one.forecastError());
  const worthsOf = ([, functions]: Life, nowMs: number): readonly number[] => functions.map((one) => one.worth(nowMs));

  test("outlives a restart, as JSON: after three minutes at the most it decides as if there had been none, within a twentieth", () => {
    const before = learned();
    const after = begun(HOUR, saved(before));
    expect(saved(after)).toEqual(saved(before));
    // What was held is told up to the end, whenever the price was settled last.
    const [{ price }, { knownMs }] = saved(before) as [{ price: number[] }, { knownMs: number }];
    expect(price[2]).toBeCloseTo((HELD_GB * knownMs) / 1e3);
    expect(errorsOf(after)).toEqual(errorsOf(before));
    // The time since the last call is not known any more.
    worthsOf(after, HOUR).forEach((worth, at) => expect(worth).toBeCloseTo(worthsOf(before, HOUR)[at]!, 1));
    // When functions were called last is not known after a restart: until there are two returns nothing is started ahead.
    const next = [before, after].map((life) => [
      ...live(life, HOUR, HOUR + 3 * MINUTE).filter(([which]) => which === ONE_AT_A_TIME),
      ...live(life, HOUR + 3 * MINUTE, 1.5 * HOUR),
    ]);
    const [expected, decisions] = next;
    // Starts, and those ahead, are as many; times differ by as much as the forecast's window.
    decisions!.forEach((numbers, at) => {
      expect(numbers.slice(0, 3)).toEqual(expected![at]!.slice(0, 3));
      expect(numbers).toHaveLength(expected![at]!.length);
      numbers.forEach((number, place) => {
        const one = expected![at]![place]!;
        expect(Math.abs(number - one)).toBeLessThanOrEqual(one / 20);
      });
    });
    expect(decisions!.some(([, , warm]) => warm! > 1)).toBe(true);
  });

  test("goes on from sums of which it had its part as it was when that was settled last", () => {
    const [common, one] = saved(learned()) as [{ price: readonly number[] }, { calls: number }];
    /** How much more is waited in all at the highest price, half an hour later, if so many of its calls had been settled. */
    const grownWith = (settledCalls: number | undefined): number => {
      const life = begun(HOUR, [common, { ...one, settledCalls }]);
      live(life, HOUR, 1.5 * HOUR);
      return (saved(life) as [{ price: readonly number[] }])[0].price.at(-1)! - common.price.at(-1)!;
    };
    const settled = grownWith(one.calls);
    const missing = grownWith(one.calls / 2) - settled;
    expect(missing).toBeGreaterThan(0);
    // Half as much again; they are settled a little earlier or later.
    const more = (grownWith(one.calls / 4) - settled) / missing;
    expect(more).toBeGreaterThan(1.3);
    expect(more).toBeLessThan(1.8);
    // A release that did not say had all of it in its sums, and no more is in them than there was.
    expect([grownWith(undefined), grownWith(10 * one.calls)]).toEqual([settled, settled]);
  });

  test("is read as an older release has saved it", () => {
    const [common, ...functions] = saved(learned()) as Record<string, unknown>[];
    const { price, ...olderCommon } = common!;
    expect(price).toBeDefined();
    const older = functions.map(({ callingMs, together, relativeError, knownMs, settledCalls, ...rest }) => {
      expect([callingMs, together, knownMs, settledCalls]).not.toContain(undefined);
      expect(relativeError === undefined).toBe(rest["returns"] === null);
      return rest;
    });
    const [, ...read] = saved(begun(HOUR, [olderCommon, ...older])) as Record<string, unknown>[];
    expect(read).toEqual(
      older.map((one) => ({ ...one, calls: 0, callingMs: 0, together: 1, knownMs: 0, settledCalls: 0 })),
    );
    // Executions are counted anew, and what came before counts for none of them.
    const waitedOf = (life: Life): number => (saved(life) as [{ price: readonly number[] }])[0].price.at(-1)!;
    const [upgraded, fresh] = [begun(HOUR, [olderCommon, ...older]), begun(HOUR)];
    for (const life of [upgraded, fresh]) live(life, HOUR, HOUR + 2 * MINUTE);
    expect(waitedOf(upgraded)).toBeLessThan(2 * waitedOf(fresh));
  });
});

describe("the forecast of returns", () => {
  const AT_A_PRICE = { kind: "waiting", gbSecondsPerWaitSecond: 10 } as const;
  const CALLS = 200;
  /** How long the instance stays after each of the calls, and how many are started ahead of the next; one call at a time. */
  const decided = (one: FunctionPolicy, gapsMs: readonly number[]): readonly (readonly number[])[] => {
    let nowMs = 0;
    return gapsMs.map((gapMs) => {
      one.arrived(nowMs);
      one.waited(0, nowMs);
      one.ended(50, nowMs + 50);
      const keepMs = one.keepAliveMs(1, nowMs + 50);
      const planMs = one.nextPlanMs(nowMs + 50);
      nowMs += 50 + gapMs;
      return [keepMs, planMs < nowMs ? one.plan(POOL, planMs).warm : 0];
    });
  };
  /** What is decided of the next calls by who has learned from those before, as it is and without the forecast. */
  const bothWays = (gapsMs: readonly number[]): readonly (readonly (readonly number[])[])[] => {
    const policy = forecast(AT_A_PRICE);
    const one = policy.follow(FACTS, 0);
    one.started(1_000, 0);
    decided(one, gapsMs.slice(0, CALLS));
    const saved = one.save() as object;
    return [saved, { ...saved, returns: null }].map((known) => {
      const again = forecast(AT_A_PRICE);
      again.restore(policy.save());
      return decided(again.follow(FACTS, 0, known), gapsMs.slice(CALLS));
    });
  };

  test("changes nothing where nothing is regular: all is as the plain policy has it", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const random = seededRandom(seed);
      const gapsMs = Array.from({ length: 2 * CALLS }, () => 1_000 * 300 ** random());
      const [asItIs, plain] = bothWays(gapsMs);
      expect(asItIs).toEqual(plain);
      expect(plain!.every(([keepMs]) => keepMs! > 0)).toBe(true);
    }
  });

  test("has instances started ahead where returns are regular, which the plain policy does not", () => {
    const [asItIs, plain] = bothWays(Array.from({ length: CALLS + 5 }, () => 60_000));
    expect(asItIs!.map(([, warm]) => warm)).toEqual([0, 0, 1, 1, 1]);
    expect(plain!.map(([, warm]) => warm)).toEqual([0, 0, 0, 0, 0]);
  });
});
