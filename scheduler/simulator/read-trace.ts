// Reads a trace in the 2023 contest's format: a folder with `requests` and `metas`, JSON lines, gzip or not, with any extension. Whatever is
// wrong in it is TRACE_INVALID, with file and line where there is one. docs/scheduler.md has the format.

import { readdirSync, readFileSync, type Dirent } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";

import { LocusError } from "#runtime/errors.ts";
import type { Trace, TraceFunction } from "./trace.ts";

/** Uncompressed, of one file. */
const FILE_BYTES_MAX = 4 * 2 ** 30;
const REQUESTS_MAX = 50_000_000;
const LINE_SHOWN_MAX = 80;

/** `onRequests` is told how many were read, now and then. */
export function readTrace(folder: string, onRequests: (count: number) => void = () => {}): Trace {
  const entries = entriesOf(folder);
  const functions: TraceFunction[] = [];
  const indexes = new Map<string, number>();
  const metas = fileOf(folder, entries, "metas");
  eachLine(metas, (meta, where) => {
    const { key, runtime, memoryInMb, timeoutInSecs, initDurationInMs } = meta;
    if (typeof key !== "string") throw invalid(where, "key must be a text");
    if (indexes.has(key)) throw invalid(where, `"${key}" was described before`);
    indexes.set(key, functions.length);
    functions.push({
      key,
      runtime: typeof runtime === "string" ? runtime : "",
      memoryMb: numberOf(memoryInMb, "memoryInMb", 1, where),
      initMs: numberOf(initDurationInMs, "initDurationInMs", 0, where),
      timeoutMs: numberOf(timeoutInSecs ?? 60, "timeoutInSecs", 0, where) * 1e3,
    });
  });
  const functionOf: number[] = [];
  const startMs: number[] = [];
  const durationMs: number[] = [];
  const statusCode: number[] = [];
  let firstMs = 0;
  let lastMs = -Infinity;
  eachLine(fileOf(folder, entries, "requests"), (request, where) => {
    const { metaKey, startTime, durationsInMs, statusCode: code } = request;
    const index = typeof metaKey === "string" ? indexes.get(metaKey) : undefined;
    if (index === undefined) throw invalid(where, `metaKey "${String(metaKey)}" is not in ${basename(metas)}`);
    const atMs = numberOf(startTime, "startTime", 0, where);
    if (atMs < lastMs) throw invalid(where, `startTime ${atMs} is before that of the request before, ${lastMs}`);
    if (functionOf.length === 0) firstMs = atMs;
    if (functionOf.length >= REQUESTS_MAX) throw invalid(where, `a trace may have ${REQUESTS_MAX} requests`);
    lastMs = atMs;
    functionOf.push(index);
    startMs.push(atMs - firstMs);
    durationMs.push(numberOf(durationsInMs, "durationsInMs", 0, where));
    statusCode.push(codeOf(code ?? 200, where));
    if (functionOf.length % 100_000 === 0) onRequests(functionOf.length);
  });
  if (functionOf.length === 0) throw notTrace(`${folder} has no requests`);
  return {
    name: basename(folder),
    functions,
    functionOf: Int32Array.from(functionOf),
    epochMs: firstMs,
    startMs: Float64Array.from(startMs),
    durationMs: Float64Array.from(durationMs),
    statusCode: Uint16Array.from(statusCode),
  };
}

const entriesOf = (folder: string): readonly Dirent[] => {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw new LocusError("REQUEST_INVALID", `cannot read the folder ${folder}: ${(error as Error).message}`);
  }
};

const isCalled = (entry: Dirent, name: string): boolean =>
  !entry.isDirectory() && (entry.name === name || entry.name.startsWith(`${name}.`));

const fileOf = (folder: string, entries: readonly Dirent[], name: string): string => {
  const entry = entries.find((one) => isCalled(one, name));
  if (entry === undefined) throw notTrace(`${folder} has no file ${name} (or ${name}.*)`);
  return join(folder, entry.name);
};

/** Where it is no single line. */
const notTrace = (what: string, remedy = "Name a trace's folder: it holds the files metas and requests."): LocusError =>
  new LocusError("TRACE_INVALID", what, { remedy });

interface Where {
  readonly file: string;
  readonly line: number;
}

const invalid = ({ file, line }: Where, what: string): LocusError =>
  new LocusError("TRACE_INVALID", `${file}, line ${line}: ${what}`);

function numberOf(value: unknown, name: string, min: number, where: Where): number {
  if (typeof value === "number" && Number.isFinite(value) && value >= min) return value;
  throw invalid(where, `${name} is ${JSON.stringify(value) ?? "missing"}, must be a number of at least ${min}`);
}

function codeOf(value: unknown, where: Where): number {
  const code = numberOf(value, "statusCode", 0, where);
  if (Number.isInteger(code) && code < 2 ** 16) return code;
  throw invalid(where, `statusCode is ${code}, must be a whole number below ${2 ** 16}`);
}

function eachLine(file: string, use: (value: Readonly<Record<string, unknown>>, where: Where) => void): void {
  const bytes = contentOf(file);
  let line = 0;
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(10, from);
    const to = newline < 0 ? bytes.length : newline;
    const text = bytes.toString("utf8", from, to).trim();
    from = to + 1;
    line++;
    if (text === "") continue;
    const where = { file, line };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw invalid(where, `is no JSON: ${text.length > LINE_SHOWN_MAX ? `${text.slice(0, LINE_SHOWN_MAX)}…` : text}`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(where, "is no JSON object");
    use(value as Readonly<Record<string, unknown>>, where);
  }
}

function contentOf(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    // The mark of gzip.
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: FILE_BYTES_MAX }) : bytes;
  } catch (error) {
    throw notTrace(
      `cannot read ${file}: ${(error as Error).message}`,
      "It must be a file of text, or one of gzip's, whole.",
    );
  }
}
