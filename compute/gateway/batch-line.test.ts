import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { errorLine, parseBatchLine, replyLine } from "./batch-line.ts";
import { LineSplitter } from "./ndjson.ts";

describe("parseBatchLine", () => {
  it("takes any args and keys, and passes them on as they are", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.string()), (args, keys) => {
        const parsed = parseBatchLine({ text: JSON.stringify({ args, keys }) });
        expect(parsed).toEqual({ ok: true, argsJson: JSON.stringify(args), keys });
      }),
    );
  });

  it("answers every other line with a sentence, and throws at none", () => {
    const deep = fc.nat(100_000).map((depth) => `{"args":${"[".repeat(depth)}${"]".repeat(depth)}}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), deep), (text) => {
        const parsed = parseBatchLine({ text });
        expect(parsed.ok ? typeof parsed.argsJson : parsed.message).not.toBe("");
      }),
    );
  });
});

describe("replyLine and errorLine", () => {
  it("write one line of JSON, whatever the texts are", () => {
    const facts = { side: "compute", reason: "plan", version: "v", id: "1", elapsedUs: 1, usage: NO_USAGE } as const;
    const text = fc.string({ unit: "binary", maxLength: 20 });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), text, fc.array(text), (value, message, logs) => {
        const wishes = { usage: true, logs: true };
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
