import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import type { SettingTable } from "./setting.ts";
import { CLI_SETTINGS, NODE_SETTINGS, REDIS_SETTINGS, unknownVariables } from "./settings.ts";

const documentation = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8");

const tableOf = (settings: SettingTable): string =>
  [
    "| setting | default | meaning |",
    "|---|---|---|",
    ...Object.values(settings).map(
      ({ variable, fallback, meaning }) => `| \`${variable}\` | ${fallback} | ${meaning} |`,
    ),
  ].join("\n");

describe("docs/configuration.md", () => {
  it.each([
    ["Redis", REDIS_SETTINGS],
    ["a node", NODE_SETTINGS],
    ["the command line tools", CLI_SETTINGS],
  ])("has the table of the settings of %s, word for word", (_title, settings) => {
    expect(documentation).toContain(tableOf(settings));
  });

  it("names no setting that is not there", () => {
    const named = [...documentation.matchAll(/LOCUS_[A-Z_]+/g)].map(([variable]) => [variable, ""]);
    expect(unknownVariables(Object.fromEntries(named))).toEqual([]);
  });
});
