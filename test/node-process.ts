// A `locus node` in a process of its own, which logs to a file: an embedded stack's, and those that tests end and start again.
// It listens on a port that the OS picks unless its settings name one.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Health } from "#compute/node/health.ts";
import { OwnedProcess, ProgramFailure } from "./owned-process.ts";
import type { RedisServer } from "./redis-server.ts";
import { environmentOf, launcherOf, type Settings } from "./tool.ts";

/** Until it listens, and until both sides are ready. Generous: a loaded CI machine takes seconds. */
const START_TIMEOUT_MS = 60_000;
/** Beyond any grace that it is given. */
const STOP_TIMEOUT_MS = 30_000;
const LOOK_INTERVAL_MS = 20;
/** Of who starts a node that nothing interrupts. */
const NEVER = new AbortController().signal;

export interface NodeOptions {
  readonly settings: Settings;
  /** Appended to. */
  readonly logPath: string;
  /** What starts it; this checkout's unless said otherwise. */
  readonly argv?: readonly [string, ...string[]];
  /** In which it runs; ours unless said otherwise. */
  readonly directory?: string;
  /** Gives up starting it. */
  readonly signal?: AbortSignal;
}

/** Whether calls can be taken on both sides: `ready` says so of those alone that leave the side to locus. */
export const areBothReady = ({ ready, storage, compute }: Health): boolean => ready && storage.ready && compute.ready;

export class NodeProcess {
  readonly #options: NodeOptions;
  #process: OwnedProcess;
  #url = "";

  private constructor(options: NodeOptions) {
    this.#options = options;
    this.#process = this.#spawn();
  }

  /** Resolves when it listens, whether or not it can do its work yet. Rejects with the end of its log, or the reason of the signal. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    const node = new NodeProcess(options);
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

  /** How it ended, when it has. */
  get ended(): Promise<number | NodeJS.Signals> {
    return this.#process.ended;
  }

  /** Resolves once it can take calls on both sides; rejects as `start` does. */
  async ready(): Promise<void> {
    await this.#comesTo("take calls on both sides", async () => {
      const health = await fetch(`${this.#url}/readyz`).then(
        (response) => response.json() as Promise<Health>,
        () => null,
      );
      return health !== null && areBothReady(health);
    });
  }

  /** Resolves when it is gone. Idempotent. */
  end(how: "SIGTERM" | "SIGKILL"): Promise<void> {
    return this.#process.stop(how);
  }

  /** After `end`. */
  async startAgain(): Promise<void> {
    const { size } = statSync(this.#options.logPath);
    this.#process = this.#spawn();
    await this.#listening(size);
  }

  log(): string {
    return readFileSync(this.#options.logPath, "utf8");
  }

  /** For an error. */
  logTail(): string {
    return this.#process.logTail();
  }

  #spawn(): OwnedProcess {
    const { argv = [launcherOf("locus")], settings, directory, logPath } = this.#options;
    return new OwnedProcess({
      argv: [...argv, "node"],
      environment: environmentOf({ LOCUS_HTTP_PORT: "0", ...settings }),
      ...(directory !== undefined && { directory }),
      logPath,
      stopTimeoutMs: STOP_TIMEOUT_MS,
    });
  }

  /** It logs where it listens, a JSON object a line; what it logged before `offset` is of an earlier start. */
  async #listening(offset: number): Promise<void> {
    try {
      await this.#comesTo("listen", async () => {
        const lines = readFileSync(this.#options.logPath).subarray(offset).toString().split("\n").slice(0, -1);
        const line = lines.find((text) => text.includes('"msg":"listening"'));
        if (line === undefined) return false;
        this.#url = `http://127.0.0.1:${(JSON.parse(line) as { readonly port: number }).port}`;
        return true;
      });
    } catch (error) {
      await this.end("SIGKILL");
      throw error;
    }
  }

  async #comesTo(what: string, condition: () => Promise<boolean>): Promise<void> {
    const { signal = NEVER } = this.#options;
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (this.#process.isRunning && performance.now() < deadlineMs) {
      signal.throwIfAborted();
      if (await condition()) return;
      await sleep(LOOK_INTERVAL_MS);
    }
    signal.throwIfAborted();
    throw new ProgramFailure(`the node did not come to ${what}. The end of its log:\n${this.logTail()}`);
  }
}

let startedOver = 0;
/**
 * One more over that Redis, with a log of its own in that one's folder. `own` is given it, to end it, before it is ready; it resolves when it is,
 * or, where that is not wanted, when it listens.
 */
export async function startNodeOver(
  redis: RedisServer,
  own: (node: NodeProcess) => unknown,
  settings: Settings = {},
  { ready = true }: { readonly ready?: boolean } = {},
): Promise<NodeProcess> {
  const node = await NodeProcess.start({
    settings: { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(redis.port), ...settings },
    logPath: join(redis.directory, `node${(startedOver += 1)}.log`),
  });
  own(node);
  if (ready) await node.ready();
  return node;
}
