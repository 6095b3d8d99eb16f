// The package.json of the packed tree, made from the checkout's: the same package, with JavaScript where the checkout has
// TypeScript.

export interface Manifest {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
}

/** Fields that mean the same in both. `files` is none of them: the packed tree holds exactly what is packed. */
const KEPT = [
  "name",
  "version",
  "description",
  "license",
  "type",
  "os",
  "cpu",
  "engines",
  "dependencies",
  "optionalDependencies",
] as const;

/**
 * Its `node` is that of the dependency which brings Node, and not the launcher that stands for it where a checkout is linked.
 * `imports` maps the `.ts` of a specifier to the file's `.js`, so that sources keep theirs; there are mappings only for
 * the folders that the package has.
 */
export const packedManifest = (manifest: Manifest): Manifest => ({
  ...(Object.fromEntries(KEPT.map((field) => [field, manifest[field]])) as Pick<Manifest, "name" | "version">),
  bin: Object.fromEntries(Object.entries(manifest.bin).filter(([program]) => program !== "node")),
  imports: {
    "#runtime/*.ts": "./runtime/*.js",
    "#compute/*.ts": "./compute/*.js",
    "#scheduler/*.ts": "./scheduler/*.js",
  },
  exports: {
    "./function": { types: "./runtime/function/define.d.ts", default: "./runtime/function/define.js" },
    "./testing": { types: "./compute/testing/test-sandbox.d.ts", default: "./compute/testing/test-sandbox.js" },
    "./package.json": "./package.json",
  },
});
