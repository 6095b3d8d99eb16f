// A `locus node` in a process of its own, for tests that end it and start it again: it listens on a port that the OS picks,
// and logs to a file.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OwnedProcess } from "./owned-process.ts";

const PROGRAM = join(import.meta.dirname, "..", "compute", "cli", "main-locus.ts");
/** Generous: a loaded CI machine takes seconds. */
const START_TIMEOUT_MS = 60_000;
/** Beyond any grace that a test gives it. */
const STOP_TIMEOUT_MS = 30_000;
const LOOK_INTERVAL_MS = 20;

export class NodeProcess {
  readonly #settings: Readonly<Record<string, string>>;
  readonly #logPath: string;
  #process: OwnedProcess;
  #url = "";

  private constructor(settings: Readonly<Record<string, string>>, logPath: string) {
    this.#settings = settings;
    this.#logPath = logPath;
    this.#process = this.#spawn();
  }

  /** Resolves when it listens, whether or not it can do its work yet. Rejects with the end of its log. */
  static async start(settings: Readonly<Record<string, string>>, logPath: string): Promise<NodeProcess> {
    const node = new NodeProcess(settings, logPath);
    await node.#listening(0);
    return node;
  }

  /** Of the gateway; another one after each start. */
  get url(): string {
    return this.#url;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when it is gone. Idempotent. */
  end(how: "SIGTERM" | "SIGKILL"): Promise<void> {
    return this.#process.stop(how);
  }

  /** After `end`. */
  async startAgain(): Promise<void> {
    const { size } = statSync(this.#logPath);
    this.#process = this.#spawn();
    await this.#listening(size);
  }

  log(): string {
    return readFileSync(this.#logPath, "utf8");
  }

  #spawn(): OwnedProcess {
    return new OwnedProcess({
      argv: [process.execPath, PROGRAM, "node"],
      environment: { ...withoutOurs(process.env), LOCUS_HTTP_PORT: "0", ...this.#settings },
      logPath: this.#logPath,
      stopTimeoutMs: STOP_TIMEOUT_MS,
    });
  }

  /** It logs where it listens, a JSON object a line; what it logged before `offset` is of an earlier start. */
  async #listening(offset: number): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (this.#process.isRunning && performance.now() < deadlineMs) {
      const lines = readFileSync(this.#logPath).subarray(offset).toString().split("\n").slice(0, -1);
      const line = lines.find((text) => text.includes('"msg":"listening"'));
      if (line !== undefined) {
        this.#url = `http://127.0.0.1:${(JSON.parse(line) as { readonly port: number }).port}`;
        return;
      }
      await sleep(LOOK_INTERVAL_MS);
    }
    await this.end("SIGKILL");
    throw new Error(`the node did not come up; the end of its log:\n${this.#process.logTail()}`);
  }
}

const withoutOurs = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("LOCUS_")));
