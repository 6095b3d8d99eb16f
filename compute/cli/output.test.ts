import { expect, it } from "vitest";

import { onOneLine } from "./output.ts";

it.each([
  ["plain text, é and 😀", "plain text, é and 😀"],
  ["one\ntwo\r\nthree", "one\\ntwo\\r\\nthree"],
  ["\u001b[2J\u0007\u0000\t", "\\u001b[2J\\u0007\\u0000\\t"],
  ["\u007f\u0085\u009b31m", "\\u007f\\u0085\\u009b31m"],
  ["a\u2028b\u2029c", "a\\u2028b\\u2029c"],
  ["\u202egnol", "\\u202egnol"],
])("writes %j on one line, and moves no cursor", (text, shown) => {
  expect(onOneLine(text)).toBe(shown);
});
