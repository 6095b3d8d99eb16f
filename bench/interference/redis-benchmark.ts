// Plain clients as Redis' own tool makes them: pipelined GETs of one key after another, as fast as they are answered.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { KEY_LENGTH } from "../access/values.ts";

export const CONNECTIONS = 50;
export const PIPELINING = 16;
/** The tool writes a number of twelve digits where a key says __rand_int__. Of ours, `get:` and eight, one will do. */
const KEY = "get:".padEnd(KEY_LENGTH, "0");
const COLUMNS = [
  "test",
  "rps",
  "avg_latency_ms",
  "min_latency_ms",
  "p50_latency_ms",
  "p95_latency_ms",
  "p99_latency_ms",
];

export interface PlainGets {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Makes so many GETs and resolves with what the tool says of them. Rejects where it fails or prints something else. */
export async function runPlainGets(port: number, requests: number): Promise<PlainGets> {
  const options = { "-h": "127.0.0.1", "-p": port, "-c": CONNECTIONS, "-P": PIPELINING, "-n": requests };
  const argv = Object.entries(options).flatMap(([name, value]) => [name, String(value)]);
  const tool = spawn("redis-benchmark", [...argv, "--csv", "--precision", "3", "GET", KEY], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [chunks, [code]] = await Promise.all([
    tool.stdout.toArray() as Promise<Buffer[]>,
    once(tool, "exit") as Promise<[number | null]>,
  ]);
  const printed = Buffer.concat(chunks).toString();
  const rows = printed.split("\n").map((line) => line.split(",").map((cell) => cell.replaceAll('"', "")));
  const head = rows.findIndex(([first]) => first === "test");
  const row = rows[head + 1];
  if (code !== 0 || row === undefined || COLUMNS.some((column, at) => rows[head]?.[at] !== column)) {
    throw new Error(`redis-benchmark ended with exit code ${code} and printed:\n${printed}`);
  }
  const [perSecond, p50Ms, p99Ms] = [Number(row[1]), Number(row[4]), Number(row[6])];
  return { perSecond, p50Us: p50Ms * 1e3, p99Us: p99Ms * 1e3 };
}
