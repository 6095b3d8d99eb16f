// A redis-server whose sandbox host is the scripted one (test/fixtures/native/scripted_host.cc): its function `script` does
// on the rings what its args say. What the module does is tested with it without any JavaScript in between.

import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterEach, vi } from "vitest";

import { buildNativeProgram } from "#test/native-program.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";

const root = join(import.meta.dirname, "..", "..");

/** What the function `script` is told to do; see scripted_host.cc. */
export interface Script {
  readonly rounds?: readonly (readonly (readonly string[])[])[];
  readonly together?: boolean;
  readonly repeat?: number;
  readonly quiet?: boolean;
  /** The key on whose appearance everything else waits, a cancellation aside. */
  readonly awaits?: string;
  readonly raw?: readonly {
    readonly ring?: string;
    readonly kind?: number;
    readonly id?: number;
    readonly hex?: string;
    readonly pad?: number;
    readonly claims?: number;
    readonly times?: number;
  }[];
  readonly word?: { readonly name: string; readonly value: number };
  readonly reshapes?: boolean;
  readonly flip?: string;
  readonly noise?: { readonly seed: number; readonly steps: number };
  readonly result?: string;
  readonly exit?: number;
  readonly mute?: boolean;
}

/** Where an `OutcomeHeader` (runtime/native/lane.h) has what tests give, and how long it is, in bytes. */
const OUTCOME = { lengths: 4, cpuNs: 16, slowedNs: 24, back: 116, bytes: 120 } as const;

/** What an outcome tells: all is 0 unless given. `lengths` are of result, message and stack. */
export interface ToldOutcome {
  readonly code?: number;
  readonly lengths?: readonly [number, number, number];
  readonly cpuUs?: number;
  readonly slowedUs?: number;
  readonly isBack?: boolean;
}

/** The payload of an outcome frame, in hex, without its texts. */
export function outcome(told: ToldOutcome = {}): string {
  const { code = 0, lengths = [0, 0, 0], cpuUs = 0, slowedUs = 0, isBack = false } = told;
  const header = Buffer.alloc(OUTCOME.bytes);
  header.writeUInt32LE(code);
  for (const [index, bytes] of lengths.entries()) header.writeUInt32LE(bytes, OUTCOME.lengths + 4 * index);
  header.writeBigUInt64LE(BigInt(cpuUs * 1_000), OUTCOME.cpuNs);
  header.writeBigUInt64LE(BigInt(slowedUs * 1_000), OUTCOME.slowedNs);
  header.writeUInt32LE(isBack ? 1 : 0, OUTCOME.back);
  return header.toString("hex");
}

/** An outcome frame of a call that is pushed back, with no reads. */
export const PUSHED_BACK = { ring: "outcomes", hex: outcome({ isBack: true }) } as const;

/** The path of its program. */
export const scriptedHostProgram = (): string =>
  buildNativeProgram({
    name: "scripted_host",
    sources: [
      ...["codes", "ring", "lane", "shared_memory", "resp"].map((name) => `runtime/native/${name}.cc`),
      "storage-module/src/function_version.cc",
    ],
    libraries: ["-lcrypto"],
  });

/** The module's arguments for it. */
export function scriptedHost(): readonly string[] {
  const program = scriptedHostProgram();
  // Its place on the command line is Node's; the host program that Node would run only has to be there.
  return ["node", program, "host", join(root, "package.json"), "launcher", join(root, "build", "launcher")];
}

/** A server with the function `script` deployed, unless it is a replica. */
export async function startScriptedServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const moduleArguments = [...scriptedHost(), ...(options.moduleArguments ?? [])];
  const server = await startRedisServer({ ...options, moduleArguments });
  if (options.replicaOf === undefined) await server.client().call("LOCUS.FUNCTION", "LOAD", "script");
  return server;
}

/** Starts servers as `startScriptedServer` does, for a file whose every test has its own: they end with the test, the latest first. */
export function serversOfTests(): typeof startScriptedServer {
  const servers: RedisServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0).toReversed()) await server.close();
  });
  return async (options) => {
    const server = await startScriptedServer(options);
    servers.push(server);
    return server;
  };
}

let plans = 0;
/** Has this share of the calls of `script` run here, from the next one on. */
export const planScript = (client: Redis, share: number, backCpuUs = 0): Promise<unknown> => {
  const placements = { script: { state: "split", share, probeEvery: 0, backCpuUs, overflowMin: 0, overflowTimes: 0 } };
  return client.call("LOCUS.PLAN", "SET", JSON.stringify({ version: (plans += 1), placements }));
};

/** Runs the script; the replies of each round as RESP text. */
export async function runScript(client: Redis, script: Script): Promise<readonly string[]> {
  return JSON.parse(String(await client.call("LOCUS.CALL", "script", "0", JSON.stringify(script)))) as string[];
}

/** Runs one round and takes its replies apart where each is one line (`+OK`, `:1`, `-ERR …`). */
export async function runLines(client: Redis, ...round: readonly (readonly string[])[]): Promise<readonly string[]> {
  const [replies = ""] = await runScript(client, { rounds: [round] });
  return replies.split("\r\n").slice(0, -1);
}

/** Waits until it holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { interval: 5 });
}
