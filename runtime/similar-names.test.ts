import * as fc from "fast-check";
import { expect, it } from "vitest";

import { didYouMean, similarNames } from "./similar-names.ts";

const DEPLOYED = ["empty", "hash-password", "khop", "khop2", "md5"];

it.each([
  ["kohp", ["khop"]],
  ["khopp", ["khop", "khop2"]],
  ["hashpassword", ["hash-password"]],
  ["md4", ["md5"]],
  ["nobody", []],
  ["m", []],
  ["", []],
])("who names %j may have meant %j", (name, meant) => {
  expect(similarNames(name, DEPLOYED)).toEqual(meant);
});

it("asks, where there is something to ask", () => {
  expect([[], ["a"], ["a", "b"]].map(didYouMean)).toEqual(["", "Did you mean a? ", "Did you mean a or b? "]);
});

const word = fc.string({ minLength: 3, maxLength: 12 });

it("one letter more is near, and what is there is nearest", () => {
  fc.assert(
    fc.property(word, fc.nat(), (name, at) => {
      const cut = at % name.length;
      const longer = `${name.slice(0, cut)}x${name.slice(cut)}`;
      expect(similarNames(longer, [name])).toEqual([name]);
      expect(similarNames(name, [longer, name])).toEqual([name]);
    }),
  );
});
