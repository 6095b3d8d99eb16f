// The command line that all benchmarks have.

import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { numberOf } from "./number-option.ts";

/** How much is run: `smoke` shows in seconds that it runs, `full` is for figures to publish. */
export type Mode = "smoke" | "standard" | "full";

export interface BenchmarkOptions {
  readonly mode: Mode;
  /** Where the result goes as JSON. */
  readonly jsonFile: string | null;
  /** For repetitions of what is undecided, on top of what the benchmark has for them. */
  readonly extraMs: number;
  /** A folder that may hold others' data. */
  readonly dataDirectory: string | null;
  /** Of its parts those that are to be measured; null: all of them. */
  readonly only: readonly string[] | null;
}

export const OPTIONS_HELP = `  --smoke      seconds instead of minutes; the figures mean nothing
  --full       longer runs, for figures to publish
  --extra MIN  so many minutes for those of which it is undecided whether a ratio reaches its bound, on top of what the
               benchmark has for them (placement and overload: 4, 40 with --full; the others: 0). By default placement
               ends within 20 minutes, and has only as many of its 4 as that leaves; with this so many minutes later
  --only NAMES these of its parts, with commas between them (placement: names of functions and mixes, and prediction):
               ratios are of what was measured
  --json FILE  also writes the result as JSON, and pictures of it beside it
  --data DIR   a folder that may hold AutoLoc's social.json[.gz], pagerank.json[.gz]; of traces: one that
               holds data sets of the 2023 contest's format, a folder each
  --help       this text`;

const EXTRA_MINUTES_MAX = 24 * 60;

/** null: help was asked for. Throws TypeError with what is wrong. */
export function parseOptions(argv: readonly string[]): BenchmarkOptions | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      smoke: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      extra: { type: "string", default: "0" },
      only: { type: "string" },
      json: { type: "string" },
      data: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  if (values.smoke && values.full) throw new TypeError("--smoke and --full exclude each other");
  const mode = values.smoke ? "smoke" : values.full ? "full" : "standard";
  const { json: jsonFile = null, data: dataDirectory = null } = values;
  if (dataDirectory !== null && statSync(dataDirectory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new TypeError(`--data is "${dataDirectory}", must be a folder that is there`);
  }
  const extraMs = 60_000 * numberOf("extra", values.extra, { min: 0, max: EXTRA_MINUTES_MAX });
  const only = values.only?.split(",").map((name) => name.trim()) ?? null;
  return { mode, extraMs, jsonFile, dataDirectory, only };
}
