import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { errorLine, parseBatchLine, replyLine } from "./batch-line.ts";
import { LineSplitter } from "./ndjson.ts";

describe("parseBatchLine", () => {
  it("takes any args and keys, and passes them on as they stand", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.string()), (args, keys) => {
        const parsed = parseBatchLine({ text: JSON.stringify({ args, keys }) });
        expect(parsed).toEqual({ ok: true, argsJson: JSON.stringify(args), keys });
      }),
    );
    expect(parseBatchLine({ text: ' { "keys" : [ "a" ] , "args" : 1.0 } ' })).toEqual({
      ok: true,
      argsJson: "1.0 ",
      keys: ["a"],
    });
    expect(parseBatchLine({ text: "{}" })).toEqual({ ok: true, argsJson: "null", keys: [] });
  });

  it.each([
    ['{"args":1,"kays":[]}', /^the line has a member "kays"; args and keys are known$/],
    [`{"${"x".repeat(1 << 20)}":1}`, /^the line has a member "x{40}"/],
    ['{"keys":["a",1]}', /keys are no array of strings/],
    ['{"keys":{"0":"a"}}', /keys are no array of strings/],
    ['{"keys":"a"}', /keys are no array of strings/],
    ["7", /no object of the form/],
    ['{"args":1', /no object of the form.*ends in a value/],
    ['{"args":1}}', /no object of the form.*after its end/],
  ])("refuses %.40s", (text, message) => {
    expect(parseBatchLine({ text })).toEqual({ ok: false, message: expect.stringMatching(message) });
  });

  it("neither builds nor prints what a line nests, a megabyte of brackets either", () => {
    const levels = 1 << 19;
    const nested = `${"[".repeat(levels)}${"]".repeat(levels)}`;
    expect(parseBatchLine({ text: `{"args":${nested}}` })).toEqual({ ok: true, argsJson: nested, keys: [] });
    expect(parseBatchLine({ text: `{"keys":${nested}}` })).toEqual({
      ok: false,
      message: "the line's keys are no array of strings",
    });
  });

  it("answers every other line with a sentence, and throws at none", () => {
    const nearly = fc.string({ unit: fc.constantFrom(...'{ } [ ] " : , \\ 1 "args": "keys":'.split(" "), " ") });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), nearly), (text) => {
        const parsed = parseBatchLine({ text });
        expect(parsed.ok ? typeof parsed.argsJson : parsed.message).not.toBe("");
      }),
    );
  });
});

describe("replyLine and errorLine", () => {
  it("write one line of JSON, whatever the texts are", () => {
    const facts = {
      side: "compute",
      reason: "plan",
      version: "v",
      id: "1",
      elapsedUs: 1,
      sentUs: 0,
      pushedBack: null,
      usage: NO_USAGE,
    } as const;
    const text = fc.string({ unit: "binary", maxLength: 20 });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), text, fc.array(text), (value, message, logs) => {
        const wishes = { usage: true, trace: true, logs: true };
        const error = { code: "FUNCTION_FAILED", message, stack: message } as const;
        const lines = [
          replyLine({ ok: true, resultJson: JSON.stringify(value), logs, ...facts }, wishes),
          replyLine({ ok: false, error, logs, ...facts }, wishes),
          errorLine("REQUEST_INVALID", message),
        ];
        const split = new LineSplitter(1 << 20).push(Buffer.from(lines.join("")));
        expect(split).toEqual(lines.map((line) => ({ text: line.slice(0, -1) })));
        expect(lines.map((line) => Object.keys(JSON.parse(line) as object)[0])).toEqual(["result", "error", "error"]);
      }),
      { numRuns: 15 },
    );
  });
});
