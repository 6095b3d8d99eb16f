// A node of a test's own: `locus node` as people start it, on a port that the OS picks unless told otherwise.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OwnedProcess } from "./owned-process.ts";

const PROGRAM = join(import.meta.dirname, "..", "compute", "cli", "main-locus.ts");
/** Until a node listens and its sandbox host is up. Generous: a loaded CI machine takes seconds. */
const START_TIMEOUT_MS = 30_000;
/** Beyond the node's own grace of 10 s. */
const STOP_TIMEOUT_MS = 15_000;
const LOOK_INTERVAL_MS = 20;

/** Settings of locus (docs/configuration.md). */
export type Settings = Readonly<Record<string, string>>;

export interface LocusNodeOptions {
  readonly settings: Settings;
  /** Appended to. */
  readonly logPath: string;
  /** How far it has to be: `ready`, unless said otherwise, can take calls on both sides. */
  readonly until?: "listening" | "ready";
  /** Gives up starting it. */
  readonly signal?: AbortSignal;
}

export interface LocusNode {
  /** Of its gateway. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when it was closed; rejects when it ends by itself. */
  readonly ended: Promise<void>;
  /** What it has logged: a JSON object a line. */
  log(): string;
  /** Ends it. Idempotent. */
  close(): Promise<void>;
}

/** The environment without locus' settings: who is started has its own. */
export const environmentWith = (settings: Settings): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCUS_"))),
  ...settings,
});

/** Starts one and waits until it is there. Rejects, with nothing left behind, with the end of its log, or the reason of the signal. */
export async function startLocusNode(options: LocusNodeOptions): Promise<LocusNode> {
  const { settings, logPath } = options;
  const node = new OwnedProcess({
    argv: [process.execPath, PROGRAM, "node"],
    environment: environmentWith({ LOCUS_HTTP_PORT: "0", ...settings }),
    logPath,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  let closing = false;
  const ended = node.ended.then((how) => {
    if (!closing) throw new Error(`the node ended by itself (${how}); the end of its log:\n${node.logTail()}`);
  });
  ended.catch(() => {}); // not everyone watches
  const log = (): string => readFileSync(logPath, "utf8");
  const close = async (): Promise<void> => {
    closing = true;
    await node.stop();
  };
  try {
    return { url: await urlOf(node, log, options), pid: node.pid, ended, log, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where its gateway listens, once it is as far as it has to be. */
async function urlOf(
  node: OwnedProcess,
  log: () => string,
  { until = "ready", signal }: LocusNodeOptions,
): Promise<string> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (node.isRunning && performance.now() < deadlineMs) {
    signal?.throwIfAborted();
    const url = listeningUrl(log());
    if (url !== null && (until === "listening" || (await answersOk(`${url}/readyz`)))) return url;
    await sleep(LOOK_INTERVAL_MS);
  }
  signal?.throwIfAborted();
  throw new Error(`the node did not come up; the end of its log:\n${node.logTail()}`);
}

/** The node logs it; null before that. */
function listeningUrl(log: string): string | null {
  const line = log.split("\n").find((text) => text.includes('"msg":"listening"'));
  return line === undefined ? null : `http://127.0.0.1:${(JSON.parse(line) as { readonly port: number }).port}`;
}

const answersOk = async (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
