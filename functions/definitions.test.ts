import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { describeDefinition } from "#runtime/function/describe.ts";
import { versionOf } from "#runtime/function/version.ts";

const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));

test.for(files)("%s can be deployed, under its file's name, and names no side", async (file) => {
  const bundle = await bundleFunction(join(import.meta.dirname, file));
  const module: { default: object } = await import(
    `data:text/javascript;base64,${Buffer.from(bundle).toString("base64")}`
  );
  const json = JSON.stringify(module.default, (_, value: unknown) =>
    typeof value === "function" ? "function" : value,
  );

  const description = describeDefinition(JSON.parse(json), versionOf(bundle), "deploy");
  expect(description).toMatchObject({ name: basename(file, ".ts"), side: null });
});
