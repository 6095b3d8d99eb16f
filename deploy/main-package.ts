// `node deploy/main-package.ts FOLDER`: lays a package out in FOLDER, for `npm pack` to make a tarball of. Run by
// `./build.sh package`.

import { layOutPackage } from "./package-tree.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: main-package.ts FOLDER");
layOutPackage(folder);
