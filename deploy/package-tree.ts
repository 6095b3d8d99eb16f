// Lays out what a package holds: JavaScript and types for what its programs reach, the native parts both built and as
// sources, the documents. Node refuses TypeScript under node_modules, so types are stripped here, by the same Node and in
// the same way as in the checkout: every line keeps its number.

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { packedManifest, type Manifest } from "./package-manifest.ts";

const REPOSITORY = join(import.meta.dirname, "..");

/** Copied as they are. */
const COPIED = [
  "LICENSE",
  "README.md",
  "Makefile",
  "compute/cli/launch",
  "docs/**/*.md",
  "functions/README.md",
  "scheduler/grpc/proto/*.proto",
  "runtime/native/*.{cc,h}",
  "storage-module/src/*.{cc,h}",
  "build/generated/*",
  "build/guest/*.js",
  "build/host.mjs",
  "build/agent.mjs",
];
/** Of the machine that packs; `locus build` makes them anew on another. */
const BINARIES = ["build/launcher", "build/host.node", "build/supervisor.node", "build/locus.so"];
/** The dependency that brings Node for the machine that packs. */
const NODE_PACKAGE = `node-linux-${process.arch}`;

/** `folder` is emptied first. Needs a build. Throws with what the compiler says, and where one of the programs is not among what it wrote. */
export function layOutPackage(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const checkout = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as Manifest;
  const manifest = packedManifest(checkout, NODE_PACKAGE);
  const emitted = emitDeclarations(folder);
  const lacking = Object.keys(manifest.bin).filter((program) => !emitted.includes(`compute/cli/main-${program}`));
  if (lacking.length > 0)
    throw new Error(`the compiler wrote ${emitted.length} files, and none of ${lacking.join(", ")}`);
  for (const file of emitted) {
    writeFile(join(folder, `${file}.d.ts`), withJavaScriptImports(readFileSync(join(folder, `${file}.d.ts`), "utf8")));
    const source = readFileSync(join(REPOSITORY, `${file}.ts`), "utf8");
    writeFile(join(folder, `${file}.js`), withJavaScriptImports(stripTypeScriptTypes(source)));
  }
  for (const file of globSync(COPIED, { cwd: REPOSITORY, exclude: ["**/*_test.cc"] })) copyInto(folder, file);
  for (const file of BINARIES) {
    copyInto(folder, file);
    execFileSync("strip", ["--strip-unneeded", join(folder, file)]);
  }
  const node = join("node_modules", NODE_PACKAGE);
  cpSync(join(REPOSITORY, node), join(folder, node), { recursive: true });
  writeFile(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Writes the types of all that the programs and functions reach; returns those files, without their endings. */
function emitDeclarations(folder: string): readonly string[] {
  const compiler = join(REPOSITORY, "node_modules", ".bin", "tsc");
  execFileSync(compiler, ["--project", join(import.meta.dirname, "tsconfig.json"), "--outDir", folder], {
    encoding: "utf8",
  });
  return globSync("**/*.d.ts", { cwd: folder }).map((file) => file.slice(0, -".d.ts".length));
}

/** Relative imports name files, hence endings. Those that begin with `#` go through the manifest's `imports`. */
const withJavaScriptImports = (source: string): string =>
  source.replaceAll(/(\b(?:from|import)\s*\(?\s*"\.{1,2}\/[^"\n]*)\.ts"/g, '$1.js"');

function copyInto(folder: string, file: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  copyFileSync(join(REPOSITORY, file), join(folder, file));
}

function writeFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
