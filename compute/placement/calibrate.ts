// Measures what moving and computing cost here, within a second: one function that is not deployed runs on both sides, in a
// sandbox host of this node and next to Redis (LOCUS.NODE TRY). What a user may not read is refused after the same way there and back, and
// serves as well.

import { readdirSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";

import { LIMITS, type FunctionDescription, type Limits } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import { constantsOf, type CalibrationRun, type SideCalibration } from "#runtime/placement/calibration.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { Usage } from "#runtime/profile/sample.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { infoOf } from "../node/redis-info.ts";

const NAME = "locus-calibration";
const BUNDLE = new TextEncoder().encode(`
const key = "${NAME}";
const nothing = () => null;
export default { kind: "locus.function", name: "${NAME}", async run({ redis, args: [what, count, times] }) {
  if (what === "chain") for (let i = 0; i < count; i++) await redis.get(key).then(nothing, nothing);
  if (what === "batch") for (let i = 0; i < times; i++) {
    await Promise.allSettled(Array.from({ length: count }, () => redis.get(key)));
  }
  if (what === "bytes") {
    const long = "k".repeat(count);
    for (let i = 0; i < times; i++) await redis.get(long).then(nothing, nothing);
  }
  let sum = 0;
  if (what === "compute") for (let i = 0; i < count; i++) sum = (Math.imul(sum, 31) + i) | 0;
  return sum;
} };
`);

const CHAIN_ROUNDS = 32;
const BATCH_ROUNDS = 4;
const BATCH_OPERATIONS = 256;
const BYTES_OF_A_KEY = 65_536;
const BYTES_ROUNDS = 8;
/** A millisecond or two. */
const COMPUTE_LOOPS = 1_000_000;
const EMPTY_CALLS = 20;
/** Each run is made so often, and the least disturbed one counts … */
const REPETITIONS = 4;
/** … as far as there is time. Over a slow network a run has to do. */
const BUDGET_MS = 450;
const DEADLINE_MS = 5_000;

interface Machine {
  readonly supervisor: Pick<Supervisor, "invoke" | "state">;
  readonly address: RedisAddress;
  /** Whom functions run as. */
  readonly functionUser: RedisUser;
  /** Redis' own figures; the node's user. */
  readonly commands: Redis;
}

type Runner = (args: string) => Promise<Usage>;

/** Rejects where a side cannot run anything. */
export async function calibrate({ supervisor, address, functionUser, commands }: Machine): Promise<CostConstants> {
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
  const connection = await openBrittleConnection(address, functionUser, "calibration");
  try {
    const compute: Runner = async (argsJson) => {
      const outcome = await supervisor.invoke({ image, keys: [], argsJson, deadlineMs: DEADLINE_MS, logs: false });
      if (!outcome.ok) throw new Error(`at compute: ${outcome.error.message}`);
      return outcome.usage;
    };
    const describedAs = JSON.stringify(description);
    const storage: Runner = async (argsJson) => {
      const options = `{"deadlineMs":${DEADLINE_MS}}`;
      const reply = await connection.call(
        "LOCUS.NODE",
        "TRY",
        Buffer.from(BUNDLE),
        describedAs,
        "0",
        options,
        argsJson,
      );
      const [outcome, , usage, , error] = reply as [string, string, string, string, string];
      if (outcome !== "ok") throw new Error(`at storage: ${error}`);
      return JSON.parse(usage) as Usage;
    };
    const redisUs = () => busyOf(commands);
    const hostUs = () => cpuOf(supervisor.state().hosts.map(({ pid }) => pid));
    const [atCompute, atStorage] = [
      await measure(compute, { redisUs, hostUs }),
      await measure(storage, { redisUs, hostUs: () => null }),
    ];
    const long = await leastOf(compute, `["bytes",${BYTES_OF_A_KEY},${BYTES_ROUNDS}]`);
    const short = await leastOf(compute, `["bytes",1,${BYTES_ROUNDS}]`);
    const moved = long.bytesOut + long.bytesIn - short.bytesOut - short.bytesIn;
    return constantsOf({
      compute: atCompute,
      storage: atStorage,
      bytes: { moved, us: serviceOf(long) - serviceOf(short) },
    });
  } finally {
    connection.disconnect();
  }
}

interface Meters {
  readonly redisUs: () => Promise<number>;
  readonly hostUs: () => number | null;
}

async function measure(run: Runner, meters: Meters): Promise<SideCalibration> {
  // The first opens the isolate and warms it up.
  await run('["batch",64,4]');
  const chain = await metered(run, `["chain",${CHAIN_ROUNDS},1]`, meters);
  const batch = await metered(run, `["batch",${BATCH_OPERATIONS},${BATCH_ROUNDS}]`, meters);
  const computing = await leastOf(run, `["compute",${COMPUTE_LOOPS}]`);
  return { chain, batch, computingUs: computing.cpuUs, call: await emptyCalls(run, meters) };
}

const serviceOf = ({ wallUs, queueUs }: Usage): number => wallUs - queueUs;

/** Runs it until the time is over or it was often enough. */
async function* repeated(run: Runner, args: string): AsyncGenerator<Usage> {
  const untilMs = performance.now() + BUDGET_MS / 8;
  for (let at = 0; at < REPETITIONS; at++) {
    yield await run(args);
    if (performance.now() > untilMs) return;
  }
}

async function leastOf(run: Runner, args: string): Promise<Usage> {
  let least: Usage | null = null;
  for await (const usage of repeated(run, args)) {
    if (least === null || serviceOf(usage) < serviceOf(least)) least = usage;
  }
  return least!;
}

/** What Redis and the host worked is the mean over the repetitions: their clocks are coarse. */
async function metered(run: Runner, args: string, { redisUs, hostUs }: Meters): Promise<CalibrationRun> {
  let least: Usage | null = null;
  let runs = 0;
  const [redisBefore, hostBefore] = [await redisUs(), hostUs()];
  for await (const usage of repeated(run, args)) {
    runs += 1;
    if (least === null || serviceOf(usage) < serviceOf(least)) least = usage;
  }
  const [redisAfter, hostAfter] = [await redisUs(), hostUs()];
  const { operations, rounds, lockUs } = least!;
  return {
    operations,
    rounds,
    serviceUs: serviceOf(least!),
    redisUs: (redisAfter - redisBefore) / runs,
    hostUs: hostBefore === null || hostAfter === null ? null : (hostAfter - hostBefore) / runs,
    lockUs,
  };
}

async function emptyCalls(run: Runner, { redisUs }: Meters): Promise<SideCalibration["call"]> {
  const redisBefore = await redisUs();
  const nodeBefore = process.cpuUsage();
  let waitUs = Infinity;
  for (let at = 0; at < EMPTY_CALLS; at++) {
    const startMs = performance.now();
    const usage = await run('["nothing"]');
    waitUs = Math.min(waitUs, (performance.now() - startMs) * 1e3 - serviceOf(usage));
  }
  const { user, system } = process.cpuUsage(nodeBefore);
  const redisAfter = await redisUs();
  return { waitUs, nodeUs: (user + system) / EMPTY_CALLS, redisUs: (redisAfter - redisBefore) / EMPTY_CALLS };
}

/** Time that Redis' one thread worked, or another held its lock, µs since it started. */
async function busyOf(redis: Redis): Promise<number> {
  const [server, module] = await Promise.all([redis.info("cpu"), redis.call("LOCUS.INFO")]);
  return busyUsOf(infoOf(server), infoOf(String(module)));
}

export const busyUsOf = (cpu: ReadonlyMap<string, string>, module: ReadonlyMap<string, string>): number => {
  const number = (from: ReadonlyMap<string, string>, name: string): number => Number(from.get(name) ?? 0);
  const seconds = number(cpu, "used_cpu_user_main_thread") + number(cpu, "used_cpu_sys_main_thread");
  return seconds * 1e6 + number(module, "lock_us") - number(module, "lock_us_of_main_thread");
};

/** CPU time of all threads of these processes, µs; null where it cannot be read. */
function cpuOf(pids: readonly number[]): number | null {
  let ns = 0;
  try {
    for (const pid of pids) {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
      }
    }
  } catch {
    // A thread that has just ended, or a kernel without these figures.
    return null;
  }
  return ns / 1e3;
}
