// All that needs a container engine, one after another in the same one: to have an engine takes long, and who comes later finds the images
// of who came before. What needs no image of ours comes first, while these are built.

import { describe } from "vitest";
import { openEngineOfFile } from "./use-engine.ts";

openEngineOfFile();

describe("driver", async () => {
  await import("./docker-driver.ts");
});
describe("nodes", async () => {
  await import("./node-of-containers.ts");
});
describe("images", async () => {
  await import("./composition.ts");
});
describe("scaler", async () => {
  await import("./scaler-image.ts");
});
