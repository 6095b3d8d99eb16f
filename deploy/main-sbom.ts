// `node deploy/main-sbom.ts package|image`: reads what `npm sbom` wrote of the whole lock file, and writes the bill of
// materials of the npm package, or of the image that it runs in.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  ofImage,
  onlyShipped,
  readDebianPackages,
  type BillOfMaterials,
  type PackageLock,
} from "./bill-of-materials.ts";

const ROOT = join(import.meta.dirname, "..");
const DPKG_QUERY = ["--show", "--showformat=${Package} ${Version} ${Architecture}\\n"];

const [kind = ""] = process.argv.slice(2);
const all = JSON.parse(await text(process.stdin)) as BillOfMaterials;
const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as PackageLock;
process.stdout.write(`${JSON.stringify(billOf(kind), null, 2)}\n`);

function billOf(what: string): BillOfMaterials {
  switch (what) {
    case "package":
      return onlyShipped(all, lock, (_folder, { dev }) => dev !== true);
    case "image":
      return ofImage(
        onlyShipped(all, lock, (folder) => existsSync(join(ROOT, folder, "package.json"))),
        readDebianPackages(execFileSync("dpkg-query", DPKG_QUERY, { encoding: "utf8" })),
        process.versions.node,
      );
    default:
      throw new Error("usage: main-sbom.ts package|image");
  }
}
