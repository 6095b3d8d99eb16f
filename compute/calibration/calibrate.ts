// Measures what moving and computing cost here, within about a second: a function that is not
// deployed runs on both sides, in a sandbox host of this node and beside Redis (LOCUS.NODE TRY).
// Reads that the user may not make are refused, which takes the same way there and back.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";

import { LIMITS, type FunctionDescription, type Limits } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { constantsOf, RUN_KINDS, type Run, type Runs } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { readRedisInfo, redisClocksIn } from "../placement/redis-watch.ts";

const NAME = "locus-calibration";
// Each key is read once, so the read cache answers nothing. A user who may not read asks for one
// key only, since ACL LOG has a line for each.
const BUNDLE = new TextEncoder().encode(`
const nothing = () => null;
const prefix = "${NAME}:" + Math.random();
let asked = 0;
let mayRead = null;
const large = 3n ** 50000n;
const newKey = () => mayRead ? prefix + asked++ : "${NAME}";
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
const ARGUMENTS = { nothing: '["nothing"]', chain: '["chain",32]', batch: '["batch",256,4]', long: '["echo",16384,8]' };
/** V8's own code: it is not compiled first, which would take longer on one side than on the other. */
const COMPUTING = '["compute"]';

/** Time for each of eighteen measurements. Over a slow network each runs once, however long. Not sensitive. */
const MEASURE_MS = 50;
/** Concurrent calls of a crowd: enough that a core that is awake finds more to do. Not sensitive. */
const CALLERS = 8;
/** Others may keep Redis' thread, or a core of hosts or of this node, this busy. Not sensitive. */
const OTHERS_MAX = 0.2;

interface Machine {
  readonly supervisor: Pick<Supervisor, "invoke" | "cpuUs" | "state">;
  readonly address: RedisAddress;
  /** The user as whom functions run. */
  readonly functionUser: RedisUser;
  /** The node's user, for Redis' own figures. */
  readonly commands: Redis;
}

interface Ran {
  readonly usage: Usage;
  readonly elapsedUs: number;
}
/** `caller` is below CALLERS. */
type Runner = (args: string, caller: number) => Promise<Ran>;

/**
 * null: others are at work, or a sandbox host ended and took its CPU times along. Rejects if a side cannot run the
 * function.
 */
export async function calibrate(machine: Machine): Promise<CostConstants | null> {
  const clocks = (): Promise<Clocks> => readClocks(machine);
  const { hostsEnded } = await clocks();
  if (!(await isQuiet(clocks))) return null;
  await using connections = new AsyncDisposableStack();
  const runners = await openRunners(machine, connections);
  for (const run of Object.values(runners)) await run(ARGUMENTS.nothing, 0);
  const computingUs: Record<Side, number> = { compute: Infinity, storage: Infinity };
  const measured = async (side: Side): Promise<Runs> => {
    const runs = await measure(side, runners[side], clocks);
    // The sides take turns, because cores are slower for a while when others are at work. The least
    // was disturbed least.
    await repeat(async () => {
      for (const on of ["compute", "storage"] as const) {
        computingUs[on] = Math.min(computingUs[on], (await runners[on](COMPUTING, 0)).usage.cpuUs);
      }
    });
    return runs;
  };
  const [compute, storage] = [await measured("compute"), await measured("storage")];
  if (!(await isQuiet(clocks)) || (await clocks()).hostsEnded > hostsEnded) return null;
  return constantsOf({ compute, storage, cpuRatio: computingUs.storage / computingUs.compute });
}

async function openRunners(
  { supervisor, address, functionUser }: Machine,
  connections: AsyncDisposableStack,
): Promise<Readonly<Record<Side, Runner>>> {
  const limits = Object.fromEntries(Object.entries(LIMITS).map(([name, range]) => [name, range.default])) as unknown;
  const { deadlineMs } = limits as Limits;
  const description: FunctionDescription = {
    name: NAME,
    version: versionOf(BUNDLE),
    side: null,
    limits: limits as Limits,
    input: null,
    output: null,
  };
  const callers: Redis[] = [];
  while (callers.length < CALLERS) {
    const connection = await openBrittleConnection(address, functionUser, "calibration");
    connections.defer(() => connection.disconnect());
    callers.push(connection);
  }
  const image = { description, bundle: BUNDLE };
  const trial = [Buffer.from(BUNDLE), JSON.stringify(description), "0", JSON.stringify({ deadlineMs })];
  const timed =
    (call: (args: string, caller: number) => Promise<Usage>): Runner =>
    async (args, caller) => {
      const beganMs = performance.now();
      const usage = await call(args, caller);
      return { usage, elapsedUs: 1e3 * (performance.now() - beganMs) };
    };
  return {
    compute: timed(async (argsJson) => {
      const outcome = await supervisor.invoke({ image, keys: [], argsJson, deadlineMs, logs: false });
      if (!outcome.ok) throw new Error(`at compute: ${outcome.error.message}`);
      return outcome.usage;
    }),
    storage: timed(async (args, caller) => {
      const reply = await callers[caller]!.call("LOCUS.NODE", "TRY", ...trial, args);
      const [outcome, , usage, , error] = reply as [string, string, string, string, string];
      if (outcome !== "ok") throw new Error(`at storage: ${error}`);
      return JSON.parse(usage) as Usage;
    }),
  };
}

/** At least once, and no more if another one like the last would end too late. */
async function repeat<Result>(work: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const untilMs = performance.now() + MEASURE_MS;
  for (let tookMs = 0; results.length === 0 || performance.now() + tookMs < untilMs;) {
    const beganMs = performance.now();
    results.push(await work());
    tookMs = performance.now() - beganMs;
  }
  return results;
}

async function measure(side: Side, run: Runner, clocks: () => Promise<Clocks>): Promise<Runs> {
  const runs = new Map<string, Run>();
  const singles = new Map<string, readonly Ran[]>();
  // Single calls come first: they warm up the code for the crowds.
  for (const kind of RUN_KINDS) singles.set(kind, await repeat(() => run(ARGUMENTS[kind], 0)));
  for (const [kind, alone] of singles) {
    const args = ARGUMENTS[kind as keyof Runs];
    const before = await clocks();
    const callers = Array.from({ length: CALLERS }, (_, caller) => repeat(() => run(args, caller)));
    const crowd = (await Promise.all(callers)).flat().map(({ usage }) => usage);
    const after = await clocks();
    /** Of one call of the crowd. */
    const meanUs = (us: (usage: Usage) => number): number =>
      crowd.reduce((sum, usage) => sum + us(usage), 0) / crowd.length;
    const worked = (clock: keyof Clocks): number => (after[clock] - before[clock]) / crowd.length;
    const sideUs = side === "compute" ? worked("nodeHostsUs") + worked("nodeUs") : worked("hostsUs");
    const { operations, rounds, bytesIn, bytesOut } = crowd[0]!;
    runs.set(kind, {
      operations,
      rounds,
      bytes: bytesIn + bytesOut,
      serviceUs: medianOf(alone, ({ usage: { wallUs, queueUs, cpuUs } }) => wallUs - queueUs - cpuUs),
      outsideUs: medianOf(alone, ({ usage: { wallUs, queueUs }, elapsedUs }) => elapsedUs - wallUs + queueUs),
      sideUs: sideUs - meanUs(({ cpuUs }) => cpuUs),
      nodeUs: worked("nodeUs"),
      redisUs: worked("redisUs"),
      lockUs: meanUs(({ lockUs }) => lockUs),
    });
  }
  return Object.fromEntries(runs) as unknown as Runs;
}

const medianOf = (all: readonly Ran[], us: (ran: Ran) => number): number =>
  all.map(us).toSorted((one, other) => one - other)[all.length >> 1]!;

/** CPU time of all that work for calls, µs, and the number of sandbox hosts that have ended. */
type Clocks = Readonly<Record<"redisUs" | "hostsUs" | "nodeHostsUs" | "nodeUs" | "hostsEnded", number>>;

async function readClocks({ commands, supervisor }: Pick<Machine, "commands" | "supervisor">): Promise<Clocks> {
  const info = await readRedisInfo(commands, "cpu");
  const { user, system } = process.cpuUsage();
  const hostsEnded = supervisor.state().deaths + Number(info.get("host_deaths") ?? 0);
  const { redisUs, hostsUs } = redisClocksIn(info);
  return { redisUs, hostsUs, nodeHostsUs: supervisor.cpuUs(), nodeUs: user + system, hostsEnded };
}

async function isQuiet(clocks: () => Promise<Clocks>): Promise<boolean> {
  const [before, beganMs] = [await clocks(), performance.now()];
  await pause(MEASURE_MS);
  const after = await clocks();
  const mostUs = OTHERS_MAX * 1e3 * (performance.now() - beganMs);
  return (["redisUs", "hostsUs", "nodeHostsUs", "nodeUs"] as const).every(
    (clock) => after[clock] - before[clock] <= mostUs,
  );
}
