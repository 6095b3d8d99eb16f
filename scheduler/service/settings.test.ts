import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { settingsTable } from "#runtime/settings-document.ts";
import { readCapacityConfig } from "./config.ts";
import {
  API_SERVER_SETTINGS,
  CAPACITY_SETTINGS,
  GRPC_SETTINGS,
  RESOURCE_MANAGER_SETTINGS,
  SCALER_SETTINGS,
  SCHEDULER_SETTINGS,
  SIMULATOR_SETTINGS,
} from "./settings.ts";

const documentation = readFileSync(new URL("../../docs/grpc.md", import.meta.url), "utf8");

it.each([
  ["all gRPC services", GRPC_SETTINGS],
  ["the scaler", SCALER_SETTINGS],
  ["the scheduler", SCHEDULER_SETTINGS],
  ["the scheduler of our own nodes", CAPACITY_SETTINGS],
  ["the API server", API_SERVER_SETTINGS],
  ["the resource manager", RESOURCE_MANAGER_SETTINGS],
  ["the simulator", SIMULATOR_SETTINGS],
])("docs/grpc.md has the settings of %s, word for word", (_title, settings) => {
  expect(documentation).toContain(settingsTable(settings));
});

it("reads nodes from a list, and refuses what is none", () => {
  const { parse } = RESOURCE_MANAGER_SETTINGS.nodes;
  expect(parse("one:10700, [::1]:2")).toEqual([
    { id: "one:10700", address: "one", port: 10_700 },
    { id: "[::1]:2", address: "[::1]", port: 2 },
  ]);
  for (const wrong of ["one", "one:0", "one:65536", ":1", "one:1,", "one:1 two:2", "one:1,one:1"]) {
    expect(() => parse(wrong)).toThrow(/host:port|twice/);
  }
});

it("starts no scheduler for nodes that would serve whoever reaches it", () => {
  expect(() => readCapacityConfig({})).toThrow("LOCUS_GRPC_SECRET: is not set");
  expect(readCapacityConfig({ LOCUS_GRPC_SECRET: "s3cret" }).grpc.listener.secret).toBe("s3cret");
});
