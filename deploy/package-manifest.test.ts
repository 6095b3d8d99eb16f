import { expect, it } from "vitest";
import checkout from "../package.json" with { type: "json" };
import { packedManifest } from "./package-manifest.ts";

const packed = packedManifest(checkout);

it("is the same package, with the same pinned dependencies", () => {
  const { name, version, dependencies, optionalDependencies, engines } = checkout;
  expect(packed).toMatchObject({ name, version, dependencies, optionalDependencies, engines });
});

it("leads to JavaScript wherever the checkout leads to TypeScript", () => {
  const targets = JSON.stringify([packed.bin, packed["exports"], Object.values(packed["imports"] as object)]);
  expect(targets.replaceAll(".d.ts", "")).not.toContain(".ts");
});

it("has the programs of locus, and leaves Node's name to the dependency that brings it", () => {
  const { node, ...programs } = checkout.bin;
  expect(packed.bin).toEqual(programs);
  expect(node).toBe(programs.locus);
});

it("leaves out what only a checkout has", () => {
  expect(packed).not.toHaveProperty("scripts");
  expect(packed).not.toHaveProperty("devDependencies");
});
