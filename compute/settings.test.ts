import { readFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { redisTarget } from "./redis-settings.ts";
import { readSettings, type SettingTable, unknownVariables } from "#runtime/setting.ts";
import { settingsTable } from "#runtime/settings-document.ts";
import { CLI_SETTINGS, COMPUTE_TABLES, NODE_SETTINGS, REDIS_SETTINGS } from "./settings.ts";

const documentation = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8");

describe("readSettings", () => {
  it("makes of any environment values within bounds, or mistakes that name the variable, and throws at none", () => {
    const tables: readonly SettingTable[] = [REDIS_SETTINGS, NODE_SETTINGS, CLI_SETTINGS];
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "on",
        "off",
        "0",
        "-1",
        "1e3",
        "65536",
        "99999999999999999999",
        "redis://%zz@h",
        "unix:///%",
        "rediss://[::1",
      ),
      fc.integer().map(String),
    );
    for (const table of tables) {
      const variables = Object.values(table).map(({ variable }) => variable);
      fc.assert(
        fc.property(fc.dictionary(fc.constantFrom(...variables), value), (environment) => {
          const { values, mistakes } = readSettings(table, environment);
          expect(Object.keys(values)).toEqual(Object.keys(table));
          for (const mistake of mistakes) expect(variables).toContain(mistake.split(":")[0]);
          for (const [name, { variable, otherwise }] of Object.entries(table)) {
            expect(environment[variable] === undefined ? values[name] : otherwise).toEqual(otherwise);
          }
        }),
      );
    }
  });

  it("takes no password for a port where the host is missing", () => {
    const { values } = readSettings(REDIS_SETTINGS, { LOCUS_REDIS_URL: "redis://me:s3cret-s3cret@/:/" });
    expect(redisTarget(values).mistakes).toEqual(["LOCUS_REDIS_URL: is no URL"]);
  });

  it("makes of any address a target or a mistake that does not repeat the password", () => {
    const part = fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom("%", "%zz", "[", "@", "/", "7"));
    fc.assert(
      fc.property(
        fc.constantFrom("redis", "rediss", "unix", "http", ""),
        part,
        part,
        part,
        (scheme, host, port, path) => {
          const url = `${scheme}://me:s3cret-s3cret@${host}:${port}/${path}`;
          const { values } = readSettings(REDIS_SETTINGS, { LOCUS_REDIS_URL: url });
          const { address, mistakes } = redisTarget(values);
          expect(mistakes.join()).not.toContain("s3cret-s3cret");
          expect(Number.isInteger(address.port)).toBe(true);
        },
      ),
    );
  });
});

describe("docs/configuration.md", () => {
  it.each([
    ["Redis", REDIS_SETTINGS],
    ["a node", NODE_SETTINGS],
    ["the command line tools", CLI_SETTINGS],
  ])("has the table of the settings of %s, word for word", (_title, settings) => {
    expect(documentation).toContain(settingsTable(settings));
  });

  it("names no setting that is not there", () => {
    const named = [...documentation.matchAll(/LOCUS_[A-Z_]+/g)].map(([variable]) => [variable, ""]);
    expect(unknownVariables(COMPUTE_TABLES, Object.fromEntries(named))).toEqual([]);
  });
});
