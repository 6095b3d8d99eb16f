import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { STATE_BYTES_MAX } from "./scheduler-state.ts";
import { openStateFile, StateFile } from "./state-file.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-state-"));
  path = join(folder, "state.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the file of a scheduler's state", () => {
  test("has what was written last, and nothing lies beside it", async () => {
    const file = new StateFile(path);
    expect(await file.read()).toBeNull();
    await file.write("one");
    await file.write("two");
    expect(await new StateFile(path).read()).toBe("two");
    expect(readdirSync(folder)).toEqual(["state.json"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("is whole though a write was cut short, which the next one makes good", async () => {
    await new StateFile(path).write("whole");
    writeFileSync(`${path}.next`, "ha");
    expect(await new StateFile(path).read()).toBe("whole");
    await new StateFile(path).write("next");
    expect(readdirSync(folder)).toEqual(["state.json"]);
    expect(readFileSync(path, "utf8")).toBe("next");
  });

  test("is put in place as a whole, and left alone where nothing is new", async () => {
    const file = new StateFile(path);
    await file.write("one");
    const { ino } = statSync(path);
    await file.write("one");
    expect(statSync(path).ino).toBe(ino);
    rmSync(path);
    mkdirSync(path);
    await expect(file.write("two")).rejects.toThrow(path);
  });

  test("is read no further than it may be long", async () => {
    writeFileSync(path, "x".repeat(STATE_BYTES_MAX + 100));
    expect(await new StateFile(path).read()).toHaveLength(STATE_BYTES_MAX + 1);
    const said: object[] = [];
    const state = await openStateFile(path, { say: (event) => void said.push(event) });
    expect(state.restored((saved) => saved)).toBeNull();
    expect(said).toEqual([{ event: "state", reason: expect.stringContaining("cannot be read") }]);
  });

  test("is one process' alone", async () => {
    const log = { say: () => {} };
    await openStateFile(path, log);
    await expect(openStateFile(join(folder, ".", "state.json"), log)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `LOCUS_SCHEDULER_STATE: another process has ${path}`,
    });
    await openStateFile(join(folder, "other.json"), log);
  });

  test("is a mistake where it is a folder, or where its folder is not there", async () => {
    for (const wrong of [folder, join(folder, "absent", "state.json")]) {
      await expect(new StateFile(wrong).read()).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringMatching(/^LOCUS_SCHEDULER_STATE: /),
      });
    }
  });
});
