// What moving and computing cost on this machine, from a few measured runs of one function on both sides. Pure arithmetic;
// `compute/placement/calibrate.ts` makes the runs. And what the network alone takes, as PINGs and ECHOs tell it while others are at work
// (`compute/placement/ask-network.ts`).

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";
import { DEFAULT_CONSTANTS, DEFAULT_ROUND_TRIP_US } from "./default-constants.ts";
import { WAIT_TIMES_MAX } from "./waits.ts";

interface Run {
  readonly operations: number;
  readonly rounds: number;
}

/** A call while no other ran, as most of them were. */
export interface RunAlone extends Run {
  /** In the sandbox, without waiting for an isolate and without the function's own computing, µs. */
  readonly serviceUs: number;
  /** That computing, µs. */
  readonly cpuUs: number;
}

/** CPU time of a call that ran in a crowd of the same, the function's own computing aside, µs. */
export interface RunInCrowd extends Run {
  /** Of RESP, both ways. */
  readonly bytes: number;
  /** Of the side's cores: the sandbox host, and at compute the node, at storage the threads beside Redis' own. */
  readonly sideUs: number;
  /** Of Redis' one thread: its CPU time, and the time that another held its lock. */
  readonly redisUs: number;
  /** Of the node. */
  readonly nodeUs: number;
  /** Of Redis' thread: while its lock was held for the function. */
  readonly lockUs: number;
}

/** Of one side. */
export interface SideCalibration {
  readonly alone: {
    /** A round for each operation. */
    readonly chain: RunAlone;
    /** Many operations in few rounds. */
    readonly batch: RunAlone;
    /** It does nothing: what its caller waited in the sandbox, and beside it. */
    readonly nothing: Pick<RunAlone, "serviceUs" | "cpuUs"> & { readonly outsideUs: number };
  };
  readonly crowd: {
    readonly chain: RunInCrowd;
    readonly batch: RunInCrowd;
    /** Few operations of many bytes, each in a round; those of the others are so few that they are taken for none. */
    readonly long: RunInCrowd;
    readonly nothing: RunInCrowd;
  };
}

export interface Calibration extends Readonly<Record<Side, SideCalibration>> {
  /** RESP bytes that a round moved, and how much longer it took than one that moved none. */
  readonly bytes: { readonly moved: number; readonly us: number };
  /** CPU time of the same computing on either side. */
  readonly computingUs: Readonly<Record<Side, number>>;
}

/** Work that is so far from the usual one was not measured but disturbed. What is waited for may be as long as it likes. */
const DISTANCE_MAX = 30;
/** Cores of two machines differ by less. */
const CPU_RATIO_MAX = 5;

export function constantsOf({ compute, storage, bytes, computingUs }: Calibration): CostConstants {
  const usual = DEFAULT_CONSTANTS;
  const lock = solvedInCrowd(storage.crowd, ({ lockUs }) => lockUs);
  return {
    compute: {
      ...waitsOf(compute),
      ...worksOf("compute", compute),
      bytesPerUs: near(usual.compute.bytesPerUs, bytes.us <= 0 ? Infinity : bytes.moved / bytes.us),
      resumeUs: near(usual.compute.resumeUs, resumeUsOf(compute)),
    },
    storage: {
      ...waitsOf(storage),
      ...worksOf("storage", storage),
      redisOperationUs: near(usual.storage.redisOperationUs, lock.operationUs),
      redisByteUs: near(usual.storage.redisByteUs, lock.byteUs),
      cpuRatio: near(1, computingUs.storage / computingUs.compute, CPU_RATIO_MAX),
      found: usual.storage.found,
    },
  };
}

function waitsOf({ alone: { chain, batch, nothing } }: SideCalibration) {
  const own = ({ serviceUs }: RunAlone): number => serviceUs - nothing.serviceUs;
  const { operationUs, roundUs } = solved(chain, batch, own);
  return {
    callWaitUs: finite(nothing.outsideUs),
    enterUs: finite(nothing.serviceUs),
    operationWaitUs: finite(operationUs),
    roundWaitUs: finite(roundUs),
  };
}

/** Each operation computes, whatever is waited for; each round besides. */
function resumeUsOf({ alone: { chain, batch, nothing } }: SideCalibration): number {
  return solved(chain, batch, ({ cpuUs }) => cpuUs - nothing.cpuUs).roundUs;
}

function worksOf(side: Side, { crowd }: SideCalibration) {
  const { nothing } = crowd;
  const usual = DEFAULT_CONSTANTS[side];
  const more = (term: "sideUs" | "redisUs") => solvedInCrowd(crowd, (run) => Math.max(0, run[term] - nothing[term]));
  const [ofSide, ofRedis] = [more("sideUs"), more("redisUs")];
  const callUs = near(usual.callUs, nothing.sideUs);
  const nodeCallUs = near(usual.nodeCallUs, nothing.nodeUs);
  return {
    callUs,
    nodeCallUs: side === "compute" ? Math.min(callUs, nodeCallUs) : nodeCallUs,
    operationUs: near(usual.operationUs, ofSide.operationUs),
    roundUs: near(usual.roundUs, ofSide.roundUs),
    byteUs: near(usual.byteUs, ofSide.byteUs),
    redisCallUs: near(usual.redisCallUs, nothing.redisUs),
    redisOperationUs: near(usual.redisOperationUs, ofRedis.operationUs),
    redisRoundUs: near(usual.redisRoundUs, ofRedis.roundUs),
    redisByteUs: near(usual.redisByteUs, ofRedis.byteUs),
  };
}

/** A third run, and what each byte takes. */
function solvedInCrowd({ chain, batch, long }: SideCalibration["crowd"], us: (run: RunInCrowd) => number) {
  const each = solved(chain, batch, us);
  const ofBytes = us(long) - long.operations * each.operationUs - long.rounds * each.roundUs;
  return { ...each, byteUs: ofBytes / long.bytes };
}

/** Two runs, two unknowns: what each operation and each round takes of it. */
function solved<OneRun extends Run>(
  chain: OneRun,
  batch: OneRun,
  us: (run: OneRun) => number,
): { readonly operationUs: number; readonly roundUs: number } {
  const perChainRound = us(chain) / chain.rounds;
  const operationUs =
    (us(batch) - batch.rounds * perChainRound) / (batch.operations - (batch.rounds * chain.operations) / chain.rounds);
  return { operationUs, roundUs: perChainRound - (operationUs * chain.operations) / chain.rounds };
}

/** What those have taken that were answered, µs. */
export interface RoundTrips {
  /** Of PINGs that were sent whether or not those before them had come back. */
  readonly pingsUs: readonly number[];
  /** Of others, each alone, in turn with ECHOs: none, where the user may not. */
  readonly inTurn: {
    readonly pingsUs: readonly number[];
    readonly echosUs: readonly number[];
    /** Of RESP that one ECHO moves more than a PING, both ways. */
    readonly bytesMoved: number;
  };
}

/** Between a node and Redis. */
export interface Network {
  /** µs; a Redis that is never without work may have it longer than it is. */
  readonly roundTripUs: number;
  /** PINGs mostly take about as long: that is the network, and not what else Redis does. */
  readonly isSteady: boolean;
  /** null: bytes took no longer than PINGs differ by anyway, or were not asked for. */
  readonly bytesPerUs: number | null;
}

/** The least of PINGs is taken for the network where half of them take no longer than so many times that; … */
const STEADY_TIMES_MAX = 2;
/** … else it may be longer by so much. Chosen: where one script of 14 ms followed the other it was 0.3 ms over a loopback. */
const UNSTEADY_US = 500;

/** 0 of none. */
const middleOf = (us: readonly number[]): number => us.toSorted((one, other) => one - other)[us.length >> 1] ?? 0;

/** null: nothing was answered. */
export function networkOf({ pingsUs, inTurn }: RoundTrips): Network | null {
  if (pingsUs.length === 0) return null;
  // In turn both wait alike for what else Redis does, so what the least of the one takes beyond the middle of the other is no chance.
  const bytesUs = Math.min(...inTurn.echosUs) - middleOf(inTurn.pingsUs);
  const isKnown = inTurn.echosUs.length > 0 && bytesUs > 0;
  const roundTripUs = Math.min(...pingsUs);
  const isSteady = middleOf(pingsUs) <= STEADY_TIMES_MAX * roundTripUs;
  return { roundTripUs, isSteady, bytesPerUs: isKnown ? inTurn.bytesMoved / bytesUs : null };
}

/**
 * With what goes by the network as that is; the rest as an earlier calibration has it (null: there was none), or as usual. One that waited for rounds about as long was over this network,
 * and was quiet: it is returned as it is.
 */
export function constantsOver(
  { roundTripUs, isSteady, bytesPerUs }: Network,
  kept: CostConstants | null,
): CostConstants {
  const usual = DEFAULT_CONSTANTS;
  const moreUs = roundTripUs - DEFAULT_ROUND_TRIP_US;
  const { roundWaitUs: usualUs, roundUs, redisRoundUs } = usual.compute;
  // Whatever the network: what both ends work for a round is waited for. A call to storage waits for more than a loopback in any case.
  const roundWaitUs = finite(Math.max(roundUs + redisRoundUs, usualUs + moreUs));
  const callWaitUs = finite(usual.storage.callWaitUs + moreUs);
  if (kept !== null && !isOther(kept.compute.roundWaitUs, roundWaitUs, isSteady)) return kept;
  const { compute, storage } = kept ?? usual;
  const fastest = usual.compute.bytesPerUs;
  return {
    compute: { ...compute, roundWaitUs, bytesPerUs: near(fastest, Math.min(fastest, bytesPerUs ?? fastest)) },
    storage: { ...storage, callWaitUs },
  };
}

/** Beyond what calls teach, and what PINGs may have waited for something else. */
const isOther = (keptUs: number, askedUs: number, isSteady: boolean): boolean =>
  keptUs > WAIT_TIMES_MAX * askedUs || askedUs > WAIT_TIMES_MAX * keptUs + (isSteady ? 0 : UNSTEADY_US);

/** Whether a calibration may have found them: they come from Redis, where others write as well. */
export const arePlausible = (constants: CostConstants): boolean =>
  (["compute", "storage"] as const).every((side) => {
    const usual = new Map<string, number>(Object.entries(DEFAULT_CONSTANTS[side]));
    return Object.entries(constants[side]).every(([name, us]) => {
      if (name === "found") return us >= 0 && us <= 1;
      const most = WAITS.has(name) ? WAIT_US_MAX : (usual.get(name) ?? 0) * DISTANCE_MAX;
      const least = WAITS.has(name) ? 0 : (usual.get(name) ?? 0) / DISTANCE_MAX;
      return Number.isFinite(us) && us >= least && us <= most;
    });
  });

const WAITS: ReadonlySet<string> = new Set(["callWaitUs", "enterUs", "operationWaitUs", "roundWaitUs"]);
/** Longer than any deadline. */
const WAIT_US_MAX = 1e9;

const finite = (us: number): number => (Number.isFinite(us) ? clamp(us, 0, WAIT_US_MAX) : 0);

const near = (usual: number, measured: number, distanceMax = DISTANCE_MAX): number => {
  if (Number.isNaN(measured)) return usual;
  return clamp(measured, usual / distanceMax, usual * distanceMax);
};
