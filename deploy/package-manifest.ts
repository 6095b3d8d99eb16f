// The package.json of the packed tree, made from the checkout's: the same package, with JavaScript where the checkout has
// TypeScript.

export interface Manifest {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
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
  "bin",
  "dependencies",
] as const;

/**
 * `nodePackage` brings Node. It is bundled, because npm links the programs of other dependencies into the user's project,
 * where a `node` would shadow the machine's own.
 * `imports` maps the `.ts` of a specifier to the file's `.js`, so that sources keep theirs; there are mappings only for
 * the folders that the package has.
 */
export const packedManifest = (manifest: Manifest, nodePackage: string): Manifest => ({
  ...(Object.fromEntries(KEPT.map((field) => [field, manifest[field]])) as Pick<Manifest, "name" | "version" | "bin">),
  optionalDependencies: { [nodePackage]: manifest.optionalDependencies[nodePackage] ?? "" },
  bundleDependencies: [nodePackage],
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
