import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";

import { readTrace } from "./read-trace.ts";

const META = '{"key": "f", "runtime": "go", "timeoutInSecs": 60, "memoryInMb": 256, "initDurationInMs": 50}\n';
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-trace-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (requests: string, metas = META): void => {
  writeFileSync(join(folder, "requests"), requests);
  writeFileSync(join(folder, "metas.jsonl.gz"), gzipSync(metas));
};
const request = (startTime: number, metaKey = "f"): string =>
  `{"metaKey": "${metaKey}", "startTime": ${startTime}, "durationsInMs": 7, "statusCode": 200}\n`;

test("a trace is read, gzip or not, its times from its first call on", () => {
  write(request(1_000) + request(1_500));
  const trace = readTrace(folder);
  expect(trace.functions).toEqual([{ key: "f", runtime: "go", memoryMb: 256, initMs: 50, timeoutMs: 60_000 }]);
  expect([...trace.startMs]).toEqual([0, 500]);
  expect([...trace.durationMs]).toEqual([7, 7]);
  expect([trace.epochMs, ...trace.statusCode]).toEqual([1_000, 200, 200]);
});

for (const [what, requests, line, text] of [
  ["is no JSON", `${request(1)}{"metaKey"\n`, 2, "is no JSON"],
  ["is out of order", request(5) + request(4), 2, "before that of the request before"],
  ["names a function that is not there", request(5, "g"), 1, 'metaKey "g" is not in metas.jsonl.gz'],
  ["lacks a time", '{"metaKey": "f", "durationsInMs": 1}\n', 1, "startTime is missing"],
  ["lasts no time that can be", '{"metaKey": "f", "startTime": 1, "durationsInMs": -1}\n', 1, "durationsInMs is -1"],
  ["has no status that can be", request(5).replace("200", "4e9"), 1, "statusCode is 4000000000"],
  ["is no object", "[]\n", 1, "is no JSON object"],
] as const) {
  test(`a line that ${what} is told by its number`, () => {
    write(requests);
    expect(() => readTrace(folder)).toThrow(
      expect.objectContaining({ code: "TRACE_INVALID", message: expect.stringContaining(`requests, line ${line}: `) }),
    );
    expect(() => readTrace(folder)).toThrow(text);
  });
}

test("a function without memory, or described twice, is told by its line", () => {
  write(request(1), `${META}${META}`);
  expect(() => readTrace(folder)).toThrow("metas.jsonl.gz, line 2");
  write(request(1), META.replace("256", "0"));
  expect(() => readTrace(folder)).toThrow("memoryInMb is 0");
});

test("a folder without a trace, or none at all, is an error that names it", () => {
  const remedy = expect.stringContaining("a trace's folder");
  expect(() => readTrace(folder)).toThrow(expect.objectContaining({ code: "TRACE_INVALID", remedy }));
  expect(() => readTrace(join(folder, "none"))).toThrow(expect.objectContaining({ code: "REQUEST_INVALID" }));
  write("");
  expect(() => readTrace(folder)).toThrow("has no requests");
  writeFileSync(join(folder, "metas.jsonl.gz"), Buffer.from([0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0]));
  expect(() => readTrace(folder)).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/cannot read .*metas\.jsonl\.gz: unknown compression method$/),
      remedy: expect.stringContaining("gzip"),
    }),
  );
});
