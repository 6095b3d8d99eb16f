import { expect, test } from "vitest";
import { among } from "../harness/contest.ts";
import { predictionRow, RULES, type RuleTitle } from "./contestants.ts";
import { MIXES } from "./mixes.ts";
import { LIFE_TURNS } from "./new-names.ts";
import { NETWORK_RATIOS } from "./ratio-names-fixture.ts";
import { placementRatios } from "./ratios.ts";
import { SUITE_NAMES } from "./suite.ts";

test("of another network a ratio's name says which, and it is of that network's rows", () => {
  const ratios = placementRatios([200], [200]);
  expect(Object.keys(ratios).filter((name) => !name.endsWith("At200us"))).toEqual([]);
  expect(Object.keys(ratios)).toEqual(expect.arrayContaining(NETWORK_RATIOS.map((name) => `${name}At200us`)));
  const asked = Object.values(ratios).flatMap((ratio) => {
    const rows: string[] = [];
    const oneOf = (names: readonly string[]): string => {
      rows.push(...names);
      return names[0]!;
    };
    if ("of" in ratio) ratio.of((row) => rows.push(row), { mostOf: oneOf, leastOf: oneOf });
    return rows;
  });
  expect(asked.length).toBeGreaterThan(100);
  expect(asked.filter((row) => !row.endsWith(", at 200 µs"))).toEqual([]);
  const bounds = Object.values(ratios).flatMap((ratio) => ("of" in ratio ? [] : among(ratio)));
  expect(bounds.length).toBeGreaterThan(0);
  expect(bounds.filter((name) => ratios[name] === undefined)).toEqual([]);
});

type Rates = Readonly<Record<RuleTitle, number>>;

const AS_GOOD = Object.fromEntries(RULES.map((rule) => [rule, 1])) as Rates;

/** All ratios at loopback of rows that are alike but for these, by function or mix. */
function ratiosOf(told: Readonly<Record<string, Partial<Rates>>>): Readonly<Record<string, number>> {
  const value = (row: string): number => {
    if (row === predictionRow()) return 0.2;
    const [of, rule] = row.split(", ") as [string, RuleTitle];
    return { ...AS_GOOD, ...told[of] }[rule];
  };
  const sorted = (names: readonly string[]): string[] => names.toSorted((one, other) => value(one) - value(other));
  const among = {
    mostOf: (names: readonly string[]) => sorted(names).at(-1)!,
    leastOf: (names: readonly string[]) => sorted(names)[0]!,
  };
  const compared = Object.entries(placementRatios([0], [0])).flatMap(([name, ratio]) =>
    "of" in ratio ? [[name, ratio.of(value, among)] as const] : [],
  );
  return Object.fromEntries(compared);
}

const ALONE = ["khop", "hash-password"] as const;
const MIX = MIXES[0]!.name;

test("each is of what its name says, and of nothing else", () => {
  const rates = { auto: 12, oracle: 10, ASFP: 3, Kayak: 8, AutoLoc: 2, "AutoLoc calibrated": 5 };
  const usual = ratiosOf({});
  const others = (named: Readonly<Record<string, number>>): Readonly<Record<string, number>> => ({
    ...usual,
    ...named,
  });
  expect(ratiosOf({ [MIX]: { ...rates, compute: 4, storage: 6 } })).toEqual(
    others({
      mixAutoVsBestStatic: 2,
      mixAutoVsComputeOnly: 3,
      mixAutoVsStorageOnly: 2,
      walkAndHashAutoVsOracle: 1.2,
      walkAndHashAutoVsBestPeerRule: 1.5,
    }),
  );
  expect(ratiosOf({ [MIX]: { ...rates, compute: 6, storage: 4 } })).toMatchObject({
    mixAutoVsBestStatic: 2,
    mixAutoVsComputeOnly: 2,
    mixAutoVsStorageOnly: 3,
  });
  expect(ratiosOf({ [ALONE[0]]: { auto: 6, compute: 4, storage: 8 } })).toEqual(others({ khopAutoVsBestStatic: 0.75 }));
  expect(ratiosOf({ [ALONE[1]]: { auto: 6, compute: 4, storage: 2 } })).toEqual(
    others({ hashPasswordAutoVsBestStatic: 1.5 }),
  );
  expect(usual["predictionErrorMedian"]).toBe(0.2);
});

test("the best fixed shares are the sweep's, or one of the sides where that does more", () => {
  const against = (fixed: Partial<Rates>): number | undefined =>
    ratiosOf({ [MIX]: { auto: 12, oracle: 10, compute: 4, storage: 6, ...fixed } })["walkAndHashAutoVsOracle"];
  expect(against({})).toBe(1.2);
  expect(against({ compute: 16 })).toBe(0.75);
  expect(against({ storage: 24 })).toBe(0.5);
});

test("what is promised is of the worst function, the worst mix and the mix in the middle", () => {
  const ratios = placementRatios([0], [0]);
  const namesOf = (end: string): readonly string[] => Object.keys(ratiosOf({})).filter((name) => name.endsWith(end));
  const alone = namesOf("AutoVsBestStatic").filter((name) => name !== "mixAutoVsBestStatic");
  const [oracles, peers] = [namesOf("AutoVsOracle"), namesOf("AutoVsBestPeerRule")];
  const ofLives = { of: expect.any(Function), together: LIFE_TURNS };
  expect([alone.length, oracles.length, peers.length]).toEqual([SUITE_NAMES.length, MIXES.length, MIXES.length]);
  expect(Object.fromEntries(Object.entries(ratios).filter(([, { must }]) => must !== undefined))).toEqual({
    autoVsBestStatic: { better: "more", must: 0.93, aim: 0.99, worstOf: alone },
    mixAutoVsBestStatic: { better: "more", must: 1.4, aim: 1.63, ...ofLives },
    mixAutoVsComputeOnly: { better: "more", must: 2, aim: 4.49, ...ofLives },
    mixAutoVsStorageOnly: { better: "more", must: 1.4, aim: 1.63, ...ofLives },
    autoVsOracle: { better: "more", must: 0.93, aim: 0.98, worstOf: oracles },
    autoVsBestPeerRule: { better: "more", must: 0.97, aim: 1, worstOf: peers },
    autoVsBestPeerRuleMedian: { better: "more", must: 1.1, aim: 1.3, medianOf: peers },
    predictionErrorMedian: { better: "less", must: 0.25, aim: 0.1, of: expect.any(Function) },
  });
});

test("of some parts there are their ratios, and the worst is of these", () => {
  const [, other] = MIXES;
  const isWanted = (part: string): boolean => [ALONE[0], other!.name].includes(part);
  const ratios = placementRatios([0], [0], isWanted);
  expect(Object.keys(ratios).toSorted()).toEqual(
    [
      "autoVsBestPeerRule",
      "autoVsBestPeerRuleMedian",
      "autoVsBestStatic",
      "autoVsOracle",
      "khopAutoVsBestStatic",
      `${other!.name}AutoVsBestPeerRule`,
      `${other!.name}AutoVsOracle`,
    ].toSorted(),
  );
  expect(ratios["autoVsOracle"]).toMatchObject({ worstOf: [`${other!.name}AutoVsOracle`] });
  expect(Object.keys(placementRatios([0], [0, 1_000], (part) => part === "prediction"))).toEqual([
    "predictionErrorMedian",
    "predictionErrorMedianAt1ms",
  ]);
});

test("of loopback it says nothing, and of a millisecond that it is one", () => {
  expect(Object.keys(placementRatios([0], [0, 1_000]))).toEqual(
    expect.arrayContaining([...NETWORK_RATIOS, "predictionErrorMedianAt1ms"]),
  );
});
