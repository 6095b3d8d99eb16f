// Measures what moving and computing cost here, within a second: one function that is not deployed runs on both sides, in a
// sandbox host of this node and next to Redis (LOCUS.NODE TRY). What a user may not read is refused after the same way there and back, and
// serves as well; who may not ECHO has the bytes of one way alone.

import { setTimeout } from "node:timers/promises";
import type { Redis } from "ioredis";

import { LIMITS, type FunctionDescription, type Limits } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { constantsOf, type RunAlone, type RunInCrowd, type SideCalibration } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { infoOf } from "../node/redis-info.ts";
import { SharedTime } from "./shared-time.ts";

const NAME = "locus-calibration";
const BUNDLE = new TextEncoder().encode(`
const nothing = () => null;
// Each is asked for once: what is found in the read cache costs nothing of what is measured here. Who may not read them asks for one, which is refused each time:
// ACL LOG has a line for each key.
const drawn = "${NAME}:" + Math.random();
let asked = 0;
let mayRead = null;
const large = 3n ** 50000n;
const newKey = () => mayRead ? drawn + asked++ : "${NAME}";
export default { kind: "locus.function", name: "${NAME}", async run({ redis, args: [what, count, times] }) {
  mayRead ??= await redis.get("${NAME}:").then(() => true, () => false);
  if (what === "chain") for (let i = 0; i < count; i++) await redis.get(newKey()).then(nothing, nothing);
  if (what === "batch") for (let i = 0; i < times; i++) {
    await Promise.allSettled(Array.from({ length: count }, () => redis.get(newKey())));
  }
  if (what === "echo") {
    const long = "b".repeat(count);
    for (let i = 0; i < times; i++) await redis.echo(long).then(nothing, nothing);
  }
  return what === "compute" ? large * large > large : null;
} };
`);

const CHAIN = '["chain",32]';
const BATCH = '["batch",256,4]';
const NOTHING = '["nothing"]';
/** A fraction of a millisecond of V8's own code: that of a function takes three times as long until it is compiled, which at times it was on one side only (a ratio of 0.36 was found for one of 0.97). */
const COMPUTING = '["compute"]';
/** As functions that move many bytes have them: in large values. */
const LONG = '["echo",16384,8]';
const SHORT = '["echo",1,8]';
/** All of it, from listening to listening again. Over a network on which one run of each kind takes longer it takes as long as those. */
const WITHIN_MS = 900;
/** Each run is made so often, since the first ones are slow, and the one in the middle counts; as far as there is time. */
const REPETITIONS = 32;
/** In a crowd: a core that is awake finds more to do, and costs are what they are when it matters. */
const CALLERS = 8;
/** Which costs nothing: each takes a few more. */
const NOTHINGS = 4;
/** Each moves a quarter of a MiB. */
const LONGS = 16;
/** Kinds of runs that share the time: of one side, those that move bytes, and computing on both in turn: before, between and after the others. */
const KINDS_OF_A_SIDE = 11;
const KINDS_OF_BYTES = 2;
const KINDS_OF_COMPUTING = 3;
const DEADLINE_MS = 5_000;
/** What is going on without us is listened to for so long, before and after, ms … */
const LISTEN_MS = 30;
/** … and may keep Redis' thread, or a core of its hosts or ours, busy for this part of the time. */
const OTHERS_MAX = 0.15;
/** The same of this node, which has just started as a rule. */
const NODE_MAX = 0.3;

interface Machine {
  readonly supervisor: Pick<Supervisor, "invoke" | "cpuUs" | "state">;
  readonly address: RedisAddress;
  /** Whom functions run as. */
  readonly functionUser: RedisUser;
  /** Redis' own figures; the node's user. */
  readonly commands: Redis;
}

/** `caller`: one of CALLERS. */
type Runner = (args: string, caller: number) => Promise<Usage>;

export interface Calibrated {
  readonly constants: CostConstants;
  readonly tookMs: number;
}

/**
 * null: others are at work, and what would be measured is theirs as well; or a sandbox host has ended meanwhile, and taken along the CPU time
 * that it had used. Rejects where a side cannot run anything.
 */
export async function calibrate({ supervisor, address, functionUser, commands }: Machine): Promise<Calibrated | null> {
  const startMs = performance.now();
  const clocks = clocksOver(commands, supervisor);
  const endedBefore = await hostsEnded(commands, supervisor);
  if (!(await isQuiet(clocks))) return null;
  const description: FunctionDescription = {
    name: NAME,
    version: versionOf(BUNDLE),
    side: null,
    limits: Object.fromEntries(
      Object.entries(LIMITS).map(([name, range]) => [name, range.default]),
    ) as unknown as Limits,
    input: null,
    output: null,
  };
  const image = { description, bundle: BUNDLE };
  await using connections = new AsyncDisposableStack();
  const callers: Redis[] = [];
  while (callers.length < CALLERS) {
    const connection = await openBrittleConnection(address, functionUser, "calibration");
    connections.defer(() => connection.disconnect());
    callers.push(connection);
  }
  const compute: Runner = async (argsJson) => {
    const outcome = await supervisor.invoke({ image, keys: [], argsJson, deadlineMs: DEADLINE_MS, logs: false });
    if (!outcome.ok) throw new Error(`at compute: ${outcome.error.message}`);
    return outcome.usage;
  };
  const describedAs = JSON.stringify(description);
  const bundle = Buffer.from(BUNDLE);
  const options = `{"deadlineMs":${DEADLINE_MS}}`;
  const storage: Runner = async (args, caller) => {
    const reply = await callers[caller]!.call("LOCUS.NODE", "TRY", bundle, describedAs, "0", options, args);
    const [outcome, , usage, , error] = reply as [string, string, string, string, string];
    if (outcome !== "ok") throw new Error(`at storage: ${error}`);
    return JSON.parse(usage) as Usage;
  };
  // Where storage can run nothing it rejects here, before anything is asked of Redis in numbers.
  await storage(NOTHING, 0);
  const time = new SharedTime({
    untilMs: startMs + WITHIN_MS - LISTEN_MS,
    parts: 2 * KINDS_OF_A_SIDE + KINDS_OF_BYTES + KINDS_OF_COMPUTING,
    nowMs: () => performance.now(),
  });
  await compute(NOTHING, 0);
  const pairs = await computingPairs({ compute, storage }, time);
  const atCompute = await measure(compute, time, async () => {
    const { redisUs, hostUs, nodeUs } = await clocks();
    return { redisUs, sideUs: hostUs + nodeUs, nodeUs };
  });
  pairs.push(...(await computingPairs({ compute, storage }, time)));
  const atStorage = await measure(storage, time, async () => {
    const { redisUs, besideRedisUs, nodeUs } = await clocks();
    return { redisUs, sideUs: besideRedisUs, nodeUs };
  });
  const [long, short] = [middleOf(await repeated(compute, time, LONG)), middleOf(await repeated(compute, time, SHORT))];
  pairs.push(...(await computingPairs({ compute, storage }, time)));
  if (!(await isQuiet(clocks)) || (await hostsEnded(commands, supervisor)) > endedBefore) return null;
  const bytes = { moved: bytesOf(long) - bytesOf(short), us: serviceOf(long) - serviceOf(short) };
  // What is more than the least is disturbed.
  const leastOf = (side: Side): number => Math.min(...pairs.map((pair) => pair[side]));
  const computingUs = { compute: leastOf("compute"), storage: leastOf("storage") };
  const constants = constantsOf({ compute: atCompute, storage: atStorage, bytes, computingUs });
  return { constants, tookMs: Math.round(performance.now() - startMs) };
}

/** CPU time since some time, µs. */
interface Clocks {
  readonly redisUs: number;
  readonly sideUs: number;
  readonly nodeUs: number;
}

async function measure(run: Runner, time: SharedTime, clocks: () => Promise<Clocks>): Promise<SideCalibration> {
  // The first ones open an isolate and warm it up.
  for (const args of [BATCH, CHAIN, LONG, NOTHING]) await repeated(run, time, args);
  const alone = async (args: string): Promise<RunAlone> => {
    const usage = middleOf(await repeated(run, time, args));
    const { operations, rounds, cpuUs } = usage;
    return { operations, rounds, serviceUs: serviceOf(usage) - cpuUs, cpuUs };
  };
  const chain = await alone(CHAIN);
  const batch = await alone(BATCH);
  const nothing = await nothingAlone(run, time);
  const inCrowd = (args: string, times = REPETITIONS): Promise<RunInCrowd> => crowd(run, time, clocks, { args, times });
  // In this order: those before warm up what the later ones need.
  const [manyBatches, manyChains] = [await inCrowd(BATCH), await inCrowd(CHAIN)];
  const manyLong = await inCrowd(LONG, LONGS);
  const manyNothings = await inCrowd(NOTHING, NOTHINGS * REPETITIONS);
  return {
    alone: { chain, batch, nothing },
    crowd: { chain: manyChains, batch: manyBatches, long: manyLong, nothing: manyNothings },
  };
}

/** CPU time of the same work on either side, in turn, since cores are slower for a while where others are at work. */
const computingPairs = (run: Readonly<Record<Side, Runner>>, time: SharedTime): Promise<Record<Side, number>[]> =>
  time.next().repeat(REPETITIONS, async () => {
    const { cpuUs: compute } = await run.compute(COMPUTING, 0);
    const { cpuUs: storage } = await run.storage(COMPUTING, 0);
    return { compute, storage };
  });

const bytesOf = ({ bytesOut, bytesIn }: Usage): number => bytesOut + bytesIn;

const serviceOf = ({ wallUs, queueUs }: Usage): number => wallUs - queueUs;

const repeated = (run: Runner, time: SharedTime, args: string): Promise<Usage[]> =>
  time.next().repeat(REPETITIONS, () => run(args, 0));

const middleOf = (usages: readonly Usage[]): Usage => {
  const sorted = usages.toSorted((one, other) => serviceOf(one) - serviceOf(other));
  return sorted[sorted.length >> 1]!;
};

async function nothingAlone(run: Runner, time: SharedTime): Promise<SideCalibration["alone"]["nothing"]> {
  const outsideUs: number[] = [];
  const timed: Runner = async (args, caller) => {
    const startMs = performance.now();
    const usage = await run(args, caller);
    outsideUs.push((performance.now() - startMs) * 1e3 - serviceOf(usage));
    return usage;
  };
  const { wallUs, queueUs, cpuUs } = middleOf(await repeated(timed, time, NOTHING));
  outsideUs.sort((one, other) => one - other);
  return { serviceUs: wallUs - queueUs - cpuUs, cpuUs, outsideUs: outsideUs[outsideUs.length >> 1]! };
}

/** What a call takes of everybody's time, its own computing aside: that is known of each call, and handling promises of many reads is such. */
async function crowd(
  run: Runner,
  time: SharedTime,
  clocks: () => Promise<Clocks>,
  { args, times }: { readonly args: string; readonly times: number },
): Promise<RunInCrowd> {
  const part = time.next();
  const before = await clocks();
  const callers = Array.from({ length: CALLERS }, (_, caller) => part.repeat(times, () => run(args, caller)));
  const usages = (await Promise.all(callers)).flat();
  const after = await clocks();
  const [first] = usages;
  const { operations, rounds } = first!;
  const perCall = (us: number): number => us / usages.length;
  const sumOf = (us: (usage: Usage) => number): number => usages.reduce((sum, usage) => sum + us(usage), 0);
  return {
    operations,
    rounds,
    bytes: bytesOf(first!),
    redisUs: perCall(after.redisUs - before.redisUs),
    sideUs: perCall(after.sideUs - before.sideUs - sumOf(({ cpuUs }) => cpuUs)),
    nodeUs: perCall(after.nodeUs - before.nodeUs),
    lockUs: perCall(sumOf(({ lockUs }) => lockUs)),
  };
}

/** CPU time of all that may work for a call, µs. */
type AllClocks = () => Promise<Readonly<Record<"redisUs" | "besideRedisUs" | "hostUs" | "nodeUs", number>>>;

async function isQuiet(clocks: AllClocks): Promise<boolean> {
  const [before, startMs] = [await clocks(), performance.now()];
  await setTimeout(LISTEN_MS);
  const after = await clocks();
  const passedUs = (performance.now() - startMs) * 1e3;
  const isAtRest = (clock: keyof typeof after, most: number): boolean =>
    after[clock] - before[clock] <= most * passedUs;
  return (
    (["redisUs", "besideRedisUs", "hostUs"] as const).every((clock) => isAtRest(clock, OTHERS_MAX)) &&
    isAtRest("nodeUs", NODE_MAX)
  );
}

const clocksOver =
  (redis: Redis, supervisor: Pick<Supervisor, "cpuUs">): AllClocks =>
  async () => {
    const [server, module] = await Promise.all([redis.info("cpu"), redis.call("LOCUS.INFO")]);
    const [cpu, ours] = [infoOf(server), infoOf(String(module))];
    const { user, system } = process.cpuUsage();
    return {
      redisUs: busyUsOf(cpu, ours),
      besideRedisUs: besideRedisUsOf(cpu, ours),
      hostUs: supervisor.cpuUs(),
      nodeUs: user + system,
    };
  };

/** Sandbox hosts that have ended until now, on both sides. */
const hostsEnded = async (redis: Redis, supervisor: Pick<Supervisor, "state">): Promise<number> =>
  supervisor.state().deaths + numberIn(infoOf(String(await redis.call("LOCUS.INFO"))), "host_deaths");

/** Commands that came over its connections since it started or its statistics were reset, whoever sent them; NaN: it does not say. */
export const commandsOf = (stats: ReadonlyMap<string, string>, module: ReadonlyMap<string, string>): number =>
  Number(stats.get("total_commands_processed") ?? Number.NaN) - numberIn(module, "operations_as_commands");

/** Time that commands took, whoever sent them, µs since then; without those that run others, which are counted themselves. */
export function commandsUsOf(stats: ReadonlyMap<string, string>): number {
  let us = 0;
  for (const [name, told] of stats) {
    if (name.startsWith("cmdstat_") && !RUNS_OTHERS.test(name)) us += Number(/usec=(\d+)/.exec(told)?.[1] ?? 0);
  }
  return us;
}

const RUNS_OTHERS = /^cmdstat_(?:locus\.|exec$|eval|fcall)/;

const numberIn = (from: ReadonlyMap<string, string>, name: string): number => Number(from.get(name) ?? 0);

const mainThreadUs = (cpu: ReadonlyMap<string, string>): number =>
  1e6 * (numberIn(cpu, "used_cpu_user_main_thread") + numberIn(cpu, "used_cpu_sys_main_thread"));

/** Of Redis' lock: while another thread than Redis' own had it. */
const lentUs = (module: ReadonlyMap<string, string>): number =>
  numberIn(module, "lock_us") - numberIn(module, "lock_us_of_main_thread");

/** Time that Redis' one thread worked, or another held its lock, µs since it started. */
export const busyUsOf = (cpu: ReadonlyMap<string, string>, module: ReadonlyMap<string, string>): number =>
  mainThreadUs(cpu) + lentUs(module);

/** CPU time of the sandbox hosts beside Redis, and of the threads that serve them, where they do not hold its lock, µs. */
export const besideRedisUsOf = (cpu: ReadonlyMap<string, string>, module: ReadonlyMap<string, string>): number => {
  const allUs = 1e6 * (numberIn(cpu, "used_cpu_user") + numberIn(cpu, "used_cpu_sys"));
  return numberIn(module, "hosts_cpu_us") + allUs - mainThreadUs(cpu) - lentUs(module);
};
