import { expect, test } from "vitest";
import { among } from "../harness/contest.ts";
import { NETWORK_RATIOS } from "./ratio-names-fixture.ts";
import { placementRatios } from "./ratios.ts";

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

test("of loopback it says nothing, and of a millisecond that it is one", () => {
  expect(Object.keys(placementRatios([0], [0, 1_000]))).toEqual(
    expect.arrayContaining([...NETWORK_RATIOS, "predictionErrorMedianAt1ms"]),
  );
});
