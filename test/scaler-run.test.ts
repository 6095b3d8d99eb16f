// The run.sh of the scaler's image without an image: a scaler and a netcat of the test's making in its folder.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const RUN = join(import.meta.dirname, "..", "deploy", "scaler", "run.sh");
/** A port is open when there is a file of its name; that it was asked for is noted. */
const NETCAT = '#!/bin/sh\n: > "asked-$3"\n[ -e "$3" ]\n';
/** It ends with its folder at the latest. */
const SCALER = "#!/bin/sh\n: > started\nwhile [ -e scaler ] && [ ! -e end ]; do sleep 0.1; done\n";

let folder: string;
let run: ChildProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-run-"));
  copyFileSync(RUN, join(folder, "run.sh"));
  writeFileSync(join(folder, "nc"), NETCAT, { mode: 0o755 });
  writeFileSync(join(folder, "scaler"), SCALER, { mode: 0o755 });
  const path = `${folder}${delimiter}${process.env["PATH"]}`;
  run = spawn("/bin/sh", ["run.sh"], { cwd: folder, env: { PATH: path }, stdio: "ignore" });
});
afterEach(async () => {
  if (run.exitCode === null && run.kill()) await once(run, "exit");
  rmSync(folder, { recursive: true });
});
const touch = (name: string): void => writeFileSync(join(folder, name), "");
const isThere = (name: string): Promise<void> => vi.waitFor(() => expect(existsSync(join(folder, name))).toBe(true));
const asked = async (port: string): Promise<void> => {
  rmSync(join(folder, `asked-${port}`), { force: true });
  await isThere(`asked-${port}`);
};
/** Its exit code. */
const exited = async (): Promise<number> => {
  await vi.waitUntil(() => run.exitCode !== null, { timeout: 20_000 });
  return run.exitCode ?? -1;
};

describe("run.sh", () => {
  it("ends its scaler, and well, when the simulator has come and gone", async () => {
    for (const port of ["9001", "9000"]) {
      await asked(port);
      touch(port);
    }
    await asked("9000");
    rmSync(join(folder, "9000"));
    expect(await exited()).toBe(0);
  });

  it.each([
    ["before its port is open", []],
    ["while the simulator is waited for", ["9001"]],
    ["while the simulator runs", ["9001", "9000"]],
  ])("fails where its scaler ends %s", async (_when, open) => {
    await isThere("started");
    for (const port of open) touch(port);
    await asked(open.length === 0 ? "9001" : "9000");
    touch("end");
    expect(await exited()).toBe(1);
  });
});
