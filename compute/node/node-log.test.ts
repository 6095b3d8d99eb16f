import { expect, it } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { LogBuffer } from "./log-buffer.ts";
import { NodeLog } from "./node-log.ts";

const start = () => {
  const written: unknown[] = [];
  const at = (level: string) => (from: object, text: string) => void written.push([level, from, text]);
  const buffer = new LogBuffer(() => new Date(0));
  const process = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const held = () =>
    buffer.lines(null).map(({ level, source, side, invocation, text }) => [level, source, side, invocation, text]);
  return { log: new NodeLog(process as ConstructorParameters<typeof NodeLog>[0], buffer), written, held };
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
