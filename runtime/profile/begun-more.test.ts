import { expect, test } from "vitest";
import { BegunMore } from "./begun-more.ts";
import { TALLY_TERMS } from "./tally.ts";

/** In flight of f and g, and windows of the named ones, on the sides on which some have ended. */
function played() {
  const inFlight = { f: 0, g: 0 };
  const begunMore = new BegunMore();
  const told = (names: readonly string[], isNext = true, sides = ["compute", "storage"] as const) => {
    const tallies = names.flatMap((name) =>
      sides.map((side) => ({ function: name, version: "1", side, sums: TALLY_TERMS.map(() => 1), elapsed: [] })),
    );
    return begunMore.told(tallies, (name) => inFlight[name as "f" | "g"], isNext).map((tally) => tally.begunMore ?? 0);
  };
  return { inFlight, told };
}

test("what more began than ended is told once for each function, and adds up to what is in flight", () => {
  const { inFlight, told } = played();
  expect(told(["f"]), "the first window").toEqual([0, 0]);
  inFlight.f = 40;
  expect(told(["f"])).toEqual([40, 0]);
  expect(told(["f"]), "as many end").toEqual([0, 0]);
  inFlight.f = 35;
  expect(told(["f", "g"])).toEqual([-5, 0, 0, 0]);
});

test("nothing is told of what began before a rest, or while other functions had windows alone", () => {
  const { inFlight, told } = played();
  told(["f", "g"]);
  inFlight.f = 40;
  expect(told(["f", "g"], false)).toEqual([0, 0, 0, 0]);
  inFlight.f = 100;
  expect(told(["g"])).toEqual([0, 0]);
  inFlight.f = 120;
  expect(told(["f", "g"])).toEqual([0, 0, 0, 0]);
  inFlight.f = 121;
  expect(told(["f", "g"])).toEqual([1, 0, 0, 0]);
});
