// Where this installation of locus lies, a checkout or a package, and what its manifest says.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

/** A package has no build.sh. */
const IS_CHECKOUT = existsSync(join(ROOT, "build.sh"));

export const INSTALLATION = {
  root: ROOT,
  isCheckout: IS_CHECKOUT,
  version: manifest.version,
  /** The Node that the native parts are compiled for. */
  nodeVersion: Object.values(manifest.optionalDependencies)[0] ?? "",
  /** How its native parts are made. */
  buildCommand: IS_CHECKOUT ? "./build.sh" : "npx locus build",
  launcher: join(ROOT, "build", "launcher"),
  module: join(ROOT, "build", "locus.so"),
  addons: [join(ROOT, "build", "host.node"), join(ROOT, "build", "supervisor.node")],
  /** Where the module looks for Node, unless told (storage-module/src/settings.cc). */
  moduleNode: join(ROOT, "node_modules", ".bin", "node"),
  /** Of the Node that runs this: native parts are compiled against them. */
  headers: join(dirname(process.execPath), "..", "include", "node"),
} as const;
