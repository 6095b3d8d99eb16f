import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LIMITS } from "./description.ts";
import { GUEST_GLOBALS } from "./globals.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/functions.md"), "utf8");

test("docs/functions.md has the limits with their defaults and ranges", () => {
  const rows = page.matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|$/gm);
  const limits = [...rows].map(([, name, preset, min, max]) => [
    name,
    { default: Number(preset), min: Number(min), max: Number(max) },
  ]);
  expect(Object.fromEntries(limits)).toEqual(LIMITS);
});

test("docs/functions.md has the guest globals", () => {
  const paragraph = /^The language .*? and: ([^]*?)\n\n/m.exec(page)?.[1] ?? "";
  const names = [...paragraph.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  expect(names).toEqual(GUEST_GLOBALS);
});
