import { readFileSync } from "node:fs";

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { redisTarget } from "./redis-settings.ts";
import { CLI_SETTINGS, REDIS_SETTINGS } from "#runtime/place-settings.ts";
import { readSettings, type SettingTable, unknownVariables } from "#runtime/setting.ts";
import { settingsTable } from "#runtime/settings-document.ts";
import {
  API_SERVER_SETTINGS,
  CAPACITY_SETTINGS,
  RESOURCE_MANAGER_SETTINGS,
  SCALER_SETTINGS,
  SCHEDULER_SETTINGS,
  SIMULATOR_SETTINGS,
} from "#scheduler/service/settings.ts";
import { COMPUTE_TABLES, NODE_SERVICE_PORT, NODE_SETTINGS } from "./settings.ts";

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
    expect(redisTarget(values).mistakes).toEqual([
      "LOCUS_REDIS_URL: is no URL such as redis://user:password@host:6379/0",
    ]);
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

describe("ports, where nobody says otherwise", () => {
  it("are those of the contests, and of what people know", () => {
    expect({
      gateway: NODE_SETTINGS.httpPort.otherwise,
      redis: redisTarget(readSettings(REDIS_SETTINGS, {}).values).address.port,
      nodeService: NODE_SERVICE_PORT,
      scheduler: SCHEDULER_SETTINGS.port.otherwise,
      ownScheduler: CAPACITY_SETTINGS.port.otherwise,
      apiServer: API_SERVER_SETTINGS.port.otherwise,
      resourceManager: RESOURCE_MANAGER_SETTINGS.port.otherwise,
      scaler: SCALER_SETTINGS.port.otherwise,
      platform: SIMULATOR_SETTINGS.port.otherwise,
      statistics: SIMULATOR_SETTINGS.statisticsPort.otherwise,
    }).toEqual({
      gateway: 8080,
      redis: 6379,
      nodeService: 10700,
      scheduler: 10600,
      ownScheduler: 10600,
      apiServer: 10500,
      resourceManager: 10400,
      scaler: 9001,
      platform: 50051,
      statistics: 9000,
    });
  });

  it("are looked for where they are listened on", () => {
    expect(SCALER_SETTINGS.platform.otherwise).toBe("127.0.0.1:50051");
    expect(SIMULATOR_SETTINGS.scaler.otherwise).toBe("127.0.0.1:9001");
  });

  it("leave FuncLoc off, and name the one that it would have", () => {
    expect(NODE_SETTINGS.funcLocPort.otherwise).toBeNull();
    expect(NODE_SETTINGS.funcLocPort.meaning).toContain("50052");
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
