// All that needs a container engine, one after another in the same one: to have an engine takes long, and who comes later finds the images
// of who came before.

import { describe } from "vitest";
import { openEngineOfFile } from "./use-engine.ts";

openEngineOfFile();

describe("images", async () => {
  await import("./composition.ts");
});
describe("driver", async () => {
  await import("./docker-driver.ts");
});
describe("scaler", async () => {
  await import("./scaler-image.ts");
});
describe("nodes", async () => {
  await import("./node-of-containers.ts");
});
