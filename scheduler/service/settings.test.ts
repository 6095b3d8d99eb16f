import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { settingsTable } from "#runtime/settings-document.ts";
import { CONTEST_SETTINGS } from "../settings.ts";
import {
  readApiServerConfig,
  readCapacityConfig,
  readResourceManagerConfig,
  readScalerConfig,
  readSchedulerConfig,
  readSimulatorConfig,
} from "./config.ts";
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

it("reads the weights of the 2020 contest's score, and refuses what are none", () => {
  const weightsOf = (LOCUS_SCORE_WEIGHTS: string | undefined) =>
    readSchedulerConfig({ RESOURCE_MANAGER_ENDPOINT: "one:1", LOCUS_SCORE_WEIGHTS }).weights;
  expect(weightsOf(undefined)).toEqual({ responseTime: 0.5, nodeDuration: 0.5 });
  expect(weightsOf("0.75/0.25")).toEqual({ responseTime: 0.75, nodeDuration: 0.25 });
  for (const wrong of ["0.5", "0.5/0.6", "1/0", "0/1", "1.5/-0.5", "a/b", "0.5/0.5/0", "0.5 / 0.5"]) {
    expect(() => weightsOf(wrong)).toThrow("LOCUS_SCORE_WEIGHTS");
  }
});

it("has the contest's scheduler run as the simulator's does where nothing is said", () => {
  const { nodeSize: _, ...settings } = CONTEST_SETTINGS;
  expect(readSchedulerConfig({ RESOURCE_MANAGER_ENDPOINT: "one:1" })).toMatchObject(settings);
});

it("has the contests' ports and addresses where nothing is said", () => {
  expect(readScalerConfig({})).toMatchObject({ port: 9_001, platform: "127.0.0.1:50051" });
  expect(readSimulatorConfig({})).toMatchObject({
    port: 50_051,
    statisticsHost: "127.0.0.1",
    statisticsPort: 9_000,
    scaler: "127.0.0.1:9001",
    dataFolder: "/tmp/data",
  });
  expect(readSchedulerConfig({ RESOURCE_MANAGER_ENDPOINT: "one:1" })).toMatchObject({ port: 10_600 });
  expect(readApiServerConfig({ SCHEDULER_ENDPOINT: "one:1", LOCUS_FUNCTIONS_FILE: "f" })).toMatchObject({
    port: 10_500,
  });
  expect(readResourceManagerConfig({ LOCUS_NODES: "one:1" })).toMatchObject({ port: 10_400 });
});

it("starts no scheduler for nodes that would serve whoever reaches it", () => {
  expect(() => readCapacityConfig({})).toThrow("LOCUS_GRPC_SECRET: is not set");
  expect(readCapacityConfig({ LOCUS_GRPC_SECRET: "s3cret" }).grpc.listener.secret).toBe("s3cret");
});

it("starts in a shell that says where Redis and a node are, and refuses a name that nobody has", () => {
  const environment = {
    LOCUS_GRPC_SECRET: "s3cret",
    LOCUS_REDIS_HOST: "h",
    LOCUS_REDIS_PORT: "1",
    LOCUS_URL: "http://h",
  };
  expect(readCapacityConfig(environment).grpc.listener.secret).toBe("s3cret");
  expect(() => readCapacityConfig({ ...environment, LOCUS_SCHEDULER_PROT: "1" })).toThrow(
    "LOCUS_SCHEDULER_PROT: there is no such setting (Did you mean LOCUS_SCHEDULER_PORT?)",
  );
});
