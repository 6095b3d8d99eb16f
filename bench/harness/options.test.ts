import { expect, test } from "vitest";
import { parseOptions } from "./options.ts";

test.for([
  [[], { mode: "standard", jsonFile: null, dataDirectory: null }],
  [["--smoke", "--json", "a.json"], { mode: "smoke", jsonFile: "a.json", dataDirectory: null }],
  [["--full", "--data", "/"], { mode: "full", jsonFile: null, dataDirectory: "/" }],
  [["--help", "--smoke"], null],
] as const)("%j asks for %j", ([argv, options]) => {
  expect(parseOptions(argv)).toEqual(options);
});

test.for([
  [["--smoke", "--full"]],
  [["--fast"]],
  [["khop"]],
  [["--json"]],
  [["--data", "/nowhere"]],
  [["--data", "/etc/hosts"]],
])("refuses %j", ([argv]) => {
  expect(() => parseOptions(argv ?? [])).toThrow(TypeError);
});
