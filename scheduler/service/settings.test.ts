import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { settingsTable } from "#runtime/settings-document.ts";
import {
  CAPACITY_SETTINGS,
  GRPC_SETTINGS,
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
  ["the simulator", SIMULATOR_SETTINGS],
])("docs/grpc.md has the settings of %s, word for word", (_title, settings) => {
  expect(documentation).toContain(settingsTable(settings));
});
