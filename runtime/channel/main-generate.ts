// `node runtime/channel/main-generate.ts FOLDER`: writes the tables that C++ reads. A file that would not change is left
// alone, so that make rebuilds nothing for it.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandTableInc, errorCodesInc } from "./generated-tables.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node runtime/channel/main-generate.ts FOLDER");
mkdirSync(folder, { recursive: true });

const files = {
  "command_table.inc": commandTableInc(),
  "error_codes.inc": errorCodesInc(),
};
for (const [name, content] of Object.entries(files)) {
  const path = join(folder, name);
  if (!existsSync(path) || readFileSync(path, "utf8") !== content) writeFileSync(path, content);
}
