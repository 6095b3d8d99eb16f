// A container engine for a file of tests: opened before them and closed after them, and lent to each part of the file. Where there is none and
// none can be had, all of them are skipped, and the reason is told on stderr.

import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { runCommand, succeeds } from "../command.ts";
import { type Engine, openEngine } from "./engine.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
/** Installing an engine and making a base image, then building images: minutes on a machine that has nothing yet, more beside other tests. A test's own limit is shorter. */
const TIMEOUT_MS = 1_200_000;

let engine: Engine | undefined;
let obstacle = "";

const sayOf =
  (subject: string) =>
  (text: string): void =>
    void process.stderr.write(`${subject}: ${text}\n`);

/** Of the parts of the file, in their order. */
const beginnings: (() => Promise<void>)[] = [];
let begun: readonly Promise<void>[] = [];

/** Once in a file, before all its parts. */
export function openEngineOfFile(): void {
  const say = sayOf("container engine");
  beforeAll(async () => {
    try {
      engine = await openEngine(say);
      begun = beginnings.map((begin) => begin());
      void Promise.allSettled(begun); // each part hears of its own
    } catch (error) {
      obstacle = (error as Error).message;
      say(`not tested: ${obstacle}`);
    }
  }, TIMEOUT_MS);
  beforeEach(({ skip }) => skip(engine === undefined, obstacle));
  afterAll(async () => {
    await Promise.allSettled(begun);
    await engine?.close();
  }, TIMEOUT_MS);
}

export interface TestEngine {
  /** Of what is run here: the engine's, and what a part's `setUp` adds. */
  readonly environment: NodeJS.ProcessEnv;
  /** What takes long. */
  readonly say: (text: string) => void;
  /** In the repository's root; what it printed. */
  readonly run: (...argv: readonly string[]) => Promise<string>;
  /** Whether it ended well. */
  readonly runs: (...argv: readonly string[]) => Promise<boolean>;
}

interface Around {
  /** As soon as there is an engine: what takes long, and goes on beside the parts before. */
  readonly begin?: () => Promise<unknown>;
  /** When that has come to its end. */
  readonly setUp?: () => Promise<void>;
  /** Only where there was an engine, `setUp` having come to its end or not. */
  readonly tearDown: () => Promise<void>;
}

/** Of one part of a file that has an engine. */
export function useEngine(subject: string, { begin, setUp, tearDown }: Around): TestEngine {
  const environment: NodeJS.ProcessEnv = {};
  const options = { directory: REPOSITORY, timeoutMs: TIMEOUT_MS, environment };

  const index = beginnings.length;
  beginnings.push(async () => {
    Object.assign(environment, engine?.environment);
    await begin?.();
  });
  beforeAll(async () => {
    await begun[index];
    if (engine !== undefined) await setUp?.();
  }, TIMEOUT_MS);
  afterAll(async () => {
    if (engine !== undefined) await tearDown();
  }, TIMEOUT_MS);

  return {
    environment,
    say: sayOf(subject),
    run: (...argv) => runCommand(argv, options),
    runs: (...argv) => succeeds(argv, options),
  };
}
