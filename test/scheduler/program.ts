// A program of the contests' systems, started as a process of its own, and ended with `resources`. It has told its port by then.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { OwnedProcess } from "../owned-process.ts";
import { clientAt, type ClientOf } from "./contest-client.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const STOP_TIMEOUT_MS = 20_000;

export interface Program {
  readonly process: OwnedProcess;
  readonly endpoint: string;
  /** Its standard output and error so far. */
  readonly said: () => string;
  readonly client: ClientOf;
}

export async function startProgram(
  resources: AsyncDisposableStack,
  /** From the repository's root, and its arguments. */
  [file, ...argv]: readonly [string, ...string[]],
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), "locus-program-"));
  resources.defer(() => rmSync(folder, { recursive: true }));
  const logPath = join(folder, "log");
  const started = new OwnedProcess({
    argv: [process.execPath, join(REPOSITORY, file), ...argv],
    environment: { PATH: process.env["PATH"], ...settings },
    logPath,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  resources.defer(() => started.stop());
  const said = (): string => readFileSync(logPath, "utf8");
  const port = await vi.waitUntil(() => {
    if (!started.isRunning) throw new Error(`${file} ended: ${started.logTail()}`);
    return /"port":(\d+)/.exec(said())?.[1];
  });
  const endpoint = `127.0.0.1:${port}`;
  return { process: started, endpoint, said, client: clientAt(resources, endpoint) };
}
