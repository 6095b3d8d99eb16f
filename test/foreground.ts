// A program of ours in the foreground of a terminal of its own, as it were: a process group that Ctrl-C reaches as a whole, and a
// folder for everything temporary, so that what is left of it when it has ended can be seen.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { vi } from "vitest";
import { membersOf } from "#bench/harness/processes.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const LOOK_INTERVAL_MS = 2;
export const GONE_TIMEOUT_MS = 60_000;

/** Where in its life a program is. */
export type Phase = (one: Foreground) => () => boolean;

export class Foreground {
  readonly folder = mkdtempSync(join(tmpdir(), "locus-foreground-"));
  readonly child: ChildProcess;
  output = "";

  /** `program` is a file of the repository's. */
  constructor(program: string, argv: readonly string[]) {
    const env = { PATH: process.env["PATH"], TMPDIR: this.folder };
    const child = spawn(process.execPath, [join(REPOSITORY, program), ...argv], {
      cwd: REPOSITORY,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => (this.output += chunk));
    }
  }

  get group(): number {
    return this.child.pid ?? 0;
  }

  hasSaid = (text: string) => (): boolean => this.output.includes(text);
  hasFile = (pattern: string) => (): boolean => globSync(pattern, { cwd: this.folder }).length > 0;

  async reaches(phase: () => boolean): Promise<void> {
    while (!phase()) {
      if (this.child.exitCode !== null) throw new Error(`it ended too early:\n${this.output}`);
      await sleep(LOOK_INTERVAL_MS);
    }
  }
}

/** How it ended, whether its last line said so, whether a stack was traced, and what was left of it once its group had gone. */
export async function interrupted(
  one: Foreground,
  phase: Phase,
  { signal = "SIGINT", toGroup }: { readonly signal?: "SIGINT" | "SIGTERM"; readonly toGroup: boolean },
): Promise<{
  readonly exitCode: number | null;
  readonly saidSo: boolean;
  readonly traced: unknown;
  readonly left: readonly string[];
}> {
  try {
    const ended = once(one.child, "close") as Promise<[number | null]>;
    await one.reaches(phase(one));
    process.kill(toGroup ? -one.group : one.group, signal);
    const [exitCode] = await ended;
    await vi.waitUntil(() => membersOf(one.group).length === 0, { timeout: GONE_TIMEOUT_MS });
    return {
      exitCode,
      saidSo: one.output.endsWith("\nStopped; everything that was started has ended, and its data is gone.\n"),
      traced: one.output.match(/^ +at .*|.*Error.*/m),
      left: readdirSync(one.folder),
    };
  } finally {
    if (membersOf(one.group).length > 0) process.kill(-one.group, "SIGKILL");
    rmSync(one.folder, { recursive: true, force: true });
  }
}

/** Of a program in `inForeground` that Ctrl-C has ended as it should. */
export const CLEAN = { exitCode: 130, saidSo: true, traced: null, left: [] };
