// A bill of materials as the build left it in build/sbom/, and what a test asks of it.

import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "build", "sbom");

interface Bill {
  readonly bomFormat: string;
  readonly components: readonly { readonly name: string; readonly version: string }[];
}

/**
 * What is wrong with it: none where it is CycloneDX, names all these parts, each that is pinned in its version (a dependency may bring
 * another besides), and nothing that only development needs.
 */
export function mistakesOfBill(
  file: string,
  pinned: Readonly<Record<string, string | undefined>>,
  parts: readonly string[] = [],
): readonly string[] {
  const { bomFormat, components } = JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Bill;
  const versions = new Set(components.map(({ name, version }) => `${name} ${version}`));
  const names = new Set(components.map(({ name }) => name));
  const wanted = Object.entries(pinned).map(([name, version]) => `${name} ${version}`);
  return [
    ...(bomFormat === "CycloneDX" ? [] : [`the format is ${bomFormat}`]),
    ...wanted.filter((part) => !versions.has(part)).map((part) => `${part} is missing`),
    ...parts.filter((name) => !names.has(name)).map((name) => `${name} is missing`),
    ...(names.has("vitest") ? ["vitest is there"] : []),
  ];
}
