// What the bundler found wrong, as one line for the author: where, what, and what to do.

import { findPackageJSON, isBuiltin } from "node:module";
import { basename, join, resolve } from "node:path";
import type { Message } from "esbuild";
import { GUEST_GLOBALS } from "./globals.ts";
import { IMPORTABLE } from "./loaders.ts";

/** What names a package, or a file in one: no path. */
const PACKAGE_PATTERN = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*(\/|$)/i;
/** What npm has under this name is another's. */
const OWN_PATTERN = /^locus(\/|$)/;

/** `folder`: that of the function's file. */
export function explainMistake(mistake: Message, folder: string): string {
  const { location, text } = mistake;
  const missing = /^Could not resolve "(.+)"$/.exec(text)?.[1];
  // Without a place it is the entry itself that was not found.
  if (location === null) return missing === undefined ? text : `there is no file ${basename(missing)} in ${folder}`;
  const importer = join(folder, location.file);
  const place = `${importer}:${location.line}:${location.column + 1}`;
  if (missing === undefined) return `${place}: ${text}${text.startsWith("No loader") ? `. ${CAN_IMPORT}` : ""}`;
  if (OWN_PATTERN.test(missing)) {
    return `${place}: "${missing}" is not there: of locus a function imports "locus/function" (its tests "locus/testing")`;
  }
  if (isBuiltin(missing)) {
    return `${place}: "${missing}" is a module of Node.js, and a function has none; it has the language, ${GUEST_GLOBALS.join(", ")}, and packages that need no more`;
  }
  if (!PACKAGE_PATTERN.test(missing)) return `${place}: ${text}`;
  const name = packageOf(missing);
  if (isInstalled(name, importer)) return `${place}: ${text}: the package ${name} is installed, but ${lackOf(mistake)}`;
  return `${place}: ${text}: install it beside the file (npm install ${name})`;
}

const CAN_IMPORT = `A function can import ${IMPORTABLE}`;

const packageOf = (imported: string): string =>
  imported
    .split("/")
    .slice(0, imported.startsWith("@") ? 2 : 1)
    .join("/");

function isInstalled(name: string, importer: string): boolean {
  try {
    return findPackageJSON(name, resolve(importer)) !== undefined;
  } catch {
    return false;
  }
}

/** What of an installed package is not there. */
function lackOf({ notes }: Message): string {
  for (const { text } of notes) {
    const path = /^The path "(.+)" is not exported by package /.exec(text)?.[1];
    if (path !== undefined) return `the "exports" in its package.json have no "${path}"`;
    const [, theirs, ours] = /^None of the conditions .*\((".+")\) match .*\((".+")\)/.exec(text) ?? [];
    if (ours !== undefined) return `its "exports" have this path for ${theirs} only; a function takes ${ours}`;
  }
  return "the file is not in it";
}
