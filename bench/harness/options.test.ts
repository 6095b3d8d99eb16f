import { expect, test } from "vitest";
import { parseOptions } from "./options.ts";

test.for([
  [[], { mode: "standard", extraMs: 0, jsonFile: null, dataDirectory: null, only: null }],
  [["--smoke", "--json", "a.json"], { mode: "smoke", extraMs: 0, jsonFile: "a.json", dataDirectory: null, only: null }],
  [["--full", "--data", "/"], { mode: "full", extraMs: 0, jsonFile: null, dataDirectory: "/", only: null }],
  [["--extra", "1.5"], { mode: "standard", extraMs: 90_000, jsonFile: null, dataDirectory: null, only: null }],
  [["--extra", "0"], { mode: "standard", extraMs: 0, jsonFile: null, dataDirectory: null, only: null }],
  [["--only", "a, b"], { mode: "standard", extraMs: 0, jsonFile: null, dataDirectory: null, only: ["a", "b"] }],
  [["--help", "--smoke"], null],
] as const)("%j asks for %j", ([argv, options]) => {
  expect(parseOptions(argv)).toEqual(options);
});

test.for([
  [["--smoke", "--full"]],
  [["--fast"]],
  [["khop"]],
  [["--json"]],
  [["--extra", "-1"]],
  [["--extra", "1441"]],
  [["--extra", "long"]],
  [["--extra", ""]],
  [["--data", "/nowhere"]],
  [["--data", "/etc/hosts"]],
])("refuses %j", ([argv]) => {
  expect(() => parseOptions(argv ?? [])).toThrow(TypeError);
});
