import { describe, expect, test } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { fromAgent } from "./messages.ts";

const heard = (header: unknown): unknown => fromAgent({ header, payload: Buffer.alloc(0) });
const all = Object.fromEntries(Object.keys(NO_USAGE).map((name, index) => [name, index + 1]));

describe("what an agent says of a call", () => {
  test("is taken over with all that the call used", () => {
    expect(heard({ kind: "result", call: 1, usage: all, logs: ["a"] })).toEqual({
      kind: "result",
      call: 1,
      usage: all,
      logs: ["a"],
    });
  });

  test("has a number for each, whatever it says", () => {
    const failure = { kind: "failure", call: 1, code: 7, message: null, stack: [], logs: "many" };
    for (const usage of [undefined, null, "much", { cpuUs: "much", wallUs: NaN, more: 1 }]) {
      expect(heard({ ...failure, usage })).toEqual({
        kind: "failure",
        call: 1,
        code: "INTERNAL",
        message: "",
        stack: "",
        usage: NO_USAGE,
        logs: [],
      });
    }
  });

  test("is no message where it is not of that shape", () => {
    for (const header of [null, 1, {}, { kind: "result" }, { kind: "results", call: 1 }])
      expect(heard(header)).toBeNull();
  });
});
