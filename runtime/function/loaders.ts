// What a function may import besides sources and JSON, by the ends of files' names.

import type { Loader } from "esbuild";

const TEXT = [".sql", ".txt", ".html", ".csv", ".css", ".module.css"];
const BYTES = [".wasm", ".bin"];

export const LOADERS: Readonly<Record<string, Loader>> = Object.fromEntries([
  ...TEXT.map((end) => [end, "text"] as const),
  ...BYTES.map((end) => [end, "binary"] as const),
]);

export const IMPORTABLE = `TypeScript and JavaScript, .json, ${TEXT.slice(0, -1).join(", ")} as text, ${BYTES.join(", ")} as bytes`;
