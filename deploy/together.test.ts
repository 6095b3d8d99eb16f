import { mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runTogether, type Program } from "./together.ts";

/** Writes a line when it starts and one when it is told to stop, and then ends with `code`. */
const PROGRAM = `
  const { appendFileSync } = require("node:fs");
  const [file, name, code] = process.argv.slice(1);
  const say = (word) => appendFileSync(file, name + " " + word + "\\n");
  process.on("SIGTERM", () => { say("stops"); process.exit(Number(code)); });
  setInterval(() => {}, 1_000);
  say("starts");
`;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-together-"));
  file = join(folder, "said");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const talker = (name: string, code = 0): Program => ({
  name,
  argv: [process.execPath, "--eval", PROGRAM, file, name, String(code)],
});
const said = (): readonly string[] => readFileSync(file, "utf8").trim().split("\n");

/** Aborts when `count` lines have been written. */
function whenSaid(count: number): AbortSignal {
  const controller = new AbortController();
  const watcher = watch(folder, () => {
    if (said().length < count) return;
    watcher.close();
    controller.abort();
  });
  return controller.signal;
}

describe("programs that run together", () => {
  it("are stopped last first, each when the one before it has ended", async () => {
    expect(await runTogether([talker("first"), talker("second")], whenSaid(2))).toBe(0);
    expect(said().slice(2)).toEqual(["second stops", "first stops"]);
  });

  it("tell that one of them did not end well", async () => {
    expect(await runTogether([talker("first", 3), talker("second")], whenSaid(2))).toBe(1);
  });

  it("all end when one of them ends by itself, or cannot be started", async () => {
    const brief: Program = { name: "brief", argv: [process.execPath, "--eval", ""] };
    const absent: Program = { name: "absent", argv: [join(folder, "no-such-program")] };
    const never = new AbortController().signal;
    expect(await runTogether([talker("first"), brief], never)).toBe(1);
    expect(await runTogether([talker("first"), absent], never)).toBe(1);
  });
});
