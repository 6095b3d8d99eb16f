import { expect, it } from "vitest";

import { counted } from "./counted.ts";

it.each([
  [counted(0, "round"), "0 rounds"],
  [counted(1, "round"), "1 round"],
  [counted("1", "node"), "1 node"],
  [counted("1.5", "round"), "1.5 rounds"],
  [counted(2, "property", "properties"), "2 properties"],
])("%s has the noun's form for its number", (text, expected) => {
  expect(text).toBe(expected);
});
