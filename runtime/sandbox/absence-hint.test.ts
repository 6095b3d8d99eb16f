import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ABSENT_GLOBALS, absenceHint } from "./absence-hint.guest.ts";

describe("the hint behind an error that met what is not there", () => {
  it.each(Object.entries(ABSENT_GLOBALS))("says what to do without %s", (name, hint) => {
    expect(absenceHint(new ReferenceError(`${name} is not defined`))).toBe(`; ${hint}`);
    expect(absenceHint(new TypeError(`globalThis.${name} is not a constructor`))).toBe(`; ${hint}`);
  });

  it("names the page for other globals, and says nothing of what is no global", () => {
    const page = "; docs/functions.md lists the globals that functions have";
    expect(absenceHint(new ReferenceError("other is not defined"))).toBe(page);
    expect(absenceHint(new TypeError("globalThis.other is not a function"))).toBe(page);
    expect(absenceHint(new ReferenceError("toString is not defined"))).toBe(page);
    for (const thrown of [
      new TypeError("other is not a function"),
      new TypeError("process is not a function"),
      new TypeError("Cannot read properties of undefined (reading 'name')"),
      new Error("process is not defined"),
      "process is not defined",
      null,
      Object.defineProperty(new ReferenceError(""), "message", { value: 1 }),
      new Proxy(new ReferenceError("process is not defined"), {
        get() {
          throw new Error("again");
        },
      }),
    ]) {
      expect(absenceHint(thrown)).toBe("");
    }
  });

  it("is in docs/functions.md, with every name", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/functions.md"), "utf8");
    const missing = Object.keys(ABSENT_GLOBALS).filter((name) => !page.includes(`\`${name}\``));
    expect([missing, page.includes("`crypto.subtle`")]).toEqual([[], true]);
  });
});
