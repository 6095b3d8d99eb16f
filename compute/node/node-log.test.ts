import { pino } from "pino";
import { expect, it } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { LogBuffer } from "./log-buffer.ts";
import { NodeLog } from "./node-log.ts";

/** `kLogLinesPerSecond` in storage-module/src/log_lines.h. */
const LINES_PER_SECOND = 100;

const start = () => {
  const written: unknown[] = [];
  const write = (line: string): void => {
    const { level, msg, ...from } = JSON.parse(line) as { readonly level: number; readonly msg: string };
    written.push([pino.levels.labels[level], from, msg]);
  };
  const process = pino({ level: "info", base: null, timestamp: false }, { write });
  const buffer = new LogBuffer(() => new Date(0));
  const held = () =>
    buffer.lines(null).map(({ level, source, side, invocation, text }) => [level, source, side, invocation, text]);
  const clock = { nowMs: 0 };
  return { log: new NodeLog(process, buffer, () => clock.nowMs), clock, written, held };
};

it("tells of each line its level, its function, side and invocation, in the process log and in the buffer", () => {
  const { log, written, held } = start();
  log.heard({ source: "khop", text: "warn: late", invocation: "abc-1" });
  log.heard({ source: "khop", text: "after its answer", invocation: null });
  const sample = { ...NO_USAGE, function: "khop", version: "v", outcome: "ok" } as const;
  log.ran({ ...sample, side: "storage" }, 1, ["error: broken", "said: so"], "abc-2");
  log.ran({ ...sample, side: "compute" }, 1, ["heard already"], "abc-3");
  log.heard({ source: "supervisor", text: "the sandbox host ended" });
  expect(written).toEqual([
    ["warn", { source: "khop", side: "compute", invocation: "abc-1" }, "late"],
    ["info", { source: "khop", side: "compute" }, "after its answer"],
    ["error", { source: "khop", side: "storage", invocation: "abc-2" }, "broken"],
    ["info", { source: "khop", side: "storage", invocation: "abc-2" }, "said: so"],
    ["warn", { source: "supervisor" }, "the sandbox host ended"],
  ]);
  expect(held()).toEqual([
    ["warn", "khop", "compute", "abc-1", "late"],
    ["info", "khop", "compute", null, "after its answer"],
    ["error", "khop", "storage", "abc-2", "broken"],
    ["info", "khop", "storage", "abc-2", "said: so"],
    ["warn", "supervisor", null, null, "the sandbox host ended"],
  ]);
});

it("writes some lines of functions each second, and tells how many there were more", () => {
  const { log, clock, written, held } = start();
  const say = (text: string) => log.heard({ source: "khop", text, invocation: null });
  for (let i = 0; i < 300; i += 1) say(`debug: ${i}`);
  for (let i = 0; i < 250; i += 1) say(String(i));
  log.heard({ source: "supervisor", text: "the sandbox host ended" });
  clock.nowMs = 999;
  log.heardInstance({ source: "khop", text: "too early" });
  clock.nowMs = 1_000;
  say("after the flood");
  const line = (text: string) => ["info", { source: "khop", side: "compute" }, text];
  expect(written).toEqual([
    ...Array.from({ length: LINES_PER_SECOND }, (_, i) => line(String(i))),
    ["warn", { source: "supervisor" }, "the sandbox host ended"],
    ["warn", {}, "151 more lines of functions were dropped"],
    line("after the flood"),
  ]);
  expect(held()).toHaveLength(300 + 250 + 3);
});

it("bounds what it writes of sandbox hosts, too", () => {
  const { log, clock, written } = start();
  for (let i = 0; i < 150; i += 1) log.heard({ source: "host", text: String(i) });
  log.heard({ source: "khop", text: "as ever", invocation: null });
  clock.nowMs = 5_000;
  log.heard({ source: "host", text: "later" });
  expect(written).toHaveLength(LINES_PER_SECOND + 3);
  expect(written.slice(-3)).toEqual([
    ["info", { source: "khop", side: "compute" }, "as ever"],
    ["warn", {}, "50 more lines of sandbox hosts were dropped"],
    ["warn", { source: "host" }, "later"],
  ]);
});
