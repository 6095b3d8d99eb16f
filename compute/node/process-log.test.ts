import { describe, expect, it } from "vitest";

import { openProcessLog } from "./process-log.ts";

describe("openProcessLog", () => {
  it("writes a JSON object a line, however little is taken at once", () => {
    let written = "";
    const log = openProcessLog("info", (bytes) => {
      written += Buffer.from(bytes.subarray(0, 3)).toString("latin1");
      return Math.min(3, bytes.length);
    });
    log.info({ port: 8080 }, "listening");
    log.debug("too fine");
    expect(written.endsWith("\n")).toBe(true);
    expect(JSON.parse(written)).toMatchObject({ level: 30, port: 8080, msg: "listening" });
  });

  it("goes on when nobody reads it", () => {
    let lines = 0;
    const log = openProcessLog("info", () => {
      lines += 1;
      throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
    });
    log.info("one");
    log.info("two");
    expect(lines).toBe(2);
  });
});
