// Corrections of the calibrated constants: what was measured ÷ what the constants say. A calibration runs for a
// second, on a node that has just started, while nobody else is at work. Calls tell all the time what it cannot:
// how long they wait, and how much the node, sandbox hosts and Redis' thread work for them. Each of these has
// one factor. What no factor explains is work of others: it is subtracted from the cores that calls can use.

import { clamp } from "#runtime/clamp.ts";
import { decayOf, HalfLife } from "#runtime/decay.ts";
import { Fading } from "#runtime/profile/rates.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { callUsOf, type Tally, type TallyTerm, termOf } from "#runtime/profile/tally.ts";
import { windowMsOf } from "#runtime/profile/window-length.ts";
import { overheadUsOf, redisUsOf, withoutFound, type CostConstants } from "./cost-model.ts";
import type { BySide } from "./p99-bound.ts";

/** A factor is between 1 ÷ this and this. More work than that is not the calls'. */
const FACTOR_MAX = 4;
/** A measurement of so much modelled time weighs as much as all before it, µs. Not sensitive. */
const HALF_WEIGHT_US = 20_000;
/** While nothing is measured, a factor returns to 1 by half in this time. Not sensitive. */
const FORGET_HALF_LIFE_MS = 10_000;
/** Work is compared only if calls keep this part of a core busy by the model: below, background work dominates. */
const BUSY_MIN = 0.05;
/** Work of calls that fail is unknown, so nothing is learned while more than this part of them do. */
const FAILED_MAX = 0.1;
/** Calls in flight at most, on average, so that no call waited for another. */
const LONE_CALLS_MAX = 1.5;
/** Work that no call explains is averaged over about this time. */
const BEYOND_HALF_LIFE = new HalfLife(1_000);

/** Sums of one node over a window. */
export interface NodeWindow {
  readonly tallies: readonly Tally[];
  readonly stretchMs: number;
  /** Cores that the node's own process kept busy, and its sandbox hosts. null: unknown. */
  readonly nodeCores: number | null;
  readonly hostCores: number | null;
  /** Calls in flight on all nodes, averaged. */
  readonly inFlight: number;
}

/** Sums since Redis started, µs. */
export interface RedisClocks {
  readonly atMs: number;
  /** Redis' thread was busy, or another thread held its lock. */
  readonly redisUs: number;
  /** CPU time of the sandbox hosts beside Redis and of the threads that serve them. */
  readonly hostsUs: number;
  /** Commands of all clients, and the time that they took. Calls of functions beside Redis are no commands. */
  readonly commands: number;
  readonly commandsUs: number;
}

class Factor {
  #log = 0;
  #atMs = 0;

  at(nowMs: number): number {
    return Math.exp(this.#log * decayOf(nowMs - this.#atMs, FORGET_HALF_LIFE_MS));
  }

  multiply(times: number, nowMs: number): void {
    this.#log = Math.log(clamp(this.at(nowMs) * times, 1 / FACTOR_MAX, FACTOR_MAX));
    this.#atMs = nowMs;
  }
}

/** Each part has a factor of its own. The error of their sum is attributed to each by its part of the sum. */
function learn(measuredUs: number, parts: readonly (readonly [Factor, modelledUs: number])[], nowMs: number): void {
  const modelledUs = parts.reduce((sum, [, us]) => sum + us, 0);
  if (!(modelledUs > 0 && measuredUs <= FACTOR_MAX * modelledUs)) return;
  const predictedUs = parts.map(([factor, us]) => factor.at(nowMs) * us);
  const sumUs = predictedUs.reduce((sum, us) => sum + us, 0);
  const times = Math.max(measuredUs, modelledUs / FACTOR_MAX) / sumUs;
  const weight = modelledUs / (modelledUs + HALF_WEIGHT_US);
  parts.forEach(([factor], at) => factor.multiply(times ** ((weight * predictedUs[at]!) / sumUs), nowMs));
}

/** Work of calls, by side, since Redis' clocks were read last. */
class Work {
  readonly compute = newSums();
  readonly storage = newSums();
  /** CPU time of the nodes' sandbox hosts, µs. NaN: unknown for some calls. */
  hostsUs = 0;

  add(tallies: readonly Tally[]): this {
    for (const { side, sums } of tallies) {
      const of = (term: TallyTerm): number => termOf(sums, term);
      const moved = { operations: of("operations"), rounds: of("rounds"), bytes: of("bytes") };
      const found = { operations: of("foundOperations"), rounds: of("foundRounds") };
      const sent = side === "compute" ? moved : withoutFound(moved, found);
      const own = this[side];
      for (const term of ["operations", "rounds", "bytes"] as const) own[term] += sent[term];
      for (const term of ["calls", "untold", "cpuUs", "lockUs"] as const) own[term] += of(term);
    }
    return this;
  }

  get isKnown(): boolean {
    const { compute, storage } = this;
    const failed = compute.untold + storage.untold;
    return failed <= FAILED_MAX * (compute.calls + storage.calls + failed);
  }
}

const newSums = () => ({ calls: 0, untold: 0, operations: 0, rounds: 0, bytes: 0, cpuUs: 0, lockUs: 0 });

export class Corrections {
  #calibrated: CostConstants | null = null;
  #factors = newFactors();
  #work = new Work();
  #clocks: RedisClocks | null = null;
  readonly #beyondUs = new Fading(BEYOND_HALF_LIFE);
  #plainCores = 0;

  /** Calls that came without a node. Nobody knows whose CPU time they took where a node ran them. */
  learnDirect(tallies: readonly Tally[]): void {
    this.#work.add(tallies).hostsUs = Number.NaN;
  }

  learnNode(window: NodeWindow, calibrated: CostConstants, nowMs: number): void {
    this.#use(calibrated);
    const { tallies, stretchMs, nodeCores, hostCores } = window;
    this.#work.add(tallies).hostsUs += hostCores === null ? Number.NaN : 1e3 * hostCores * stretchMs;
    const own = new Work().add(tallies);
    if (nodeCores !== null) this.#learnNodeWork(own, 1e3 * nodeCores * stretchMs, stretchMs, nowMs);
    if (own.isKnown) this.#learnWaits(window, nowMs);
  }

  #learnNodeWork({ compute, storage, isKnown }: Work, workedUs: number, stretchMs: number, nowMs: number): void {
    const { node } = this.#factors;
    const parts = [
      [node.compute, compute.calls * this.#calibrated!.compute.nodeCallUs],
      [node.storage, storage.calls * this.#calibrated!.storage.nodeCallUs],
    ] as const;
    const modelledUs = parts[0][1] + parts[1][1];
    if (isKnown && modelledUs >= BUSY_MIN * 1e3 * stretchMs) learn(workedUs, parts, nowMs);
    const explainedUs = parts.reduce((sum, [factor, us]) => sum + factor.at(nowMs) * us, 0);
    this.#beyondUs.add(workedUs - explainedUs, nowMs);
  }

  /** Only from calls that did not wait for each other. */
  #learnWaits({ tallies, inFlight }: NodeWindow, nowMs: number): void {
    const elapsedUs = tallies.reduce((sum, { sums }) => sum + termOf(sums, "elapsedUs"), 0);
    if (inFlight > LONE_CALLS_MAX || elapsedUs > LONE_CALLS_MAX * 1e3 * windowMsOf(tallies.length)) return;
    const { call } = this.#factors;
    for (const { side, sums } of tallies) {
      const modelledUs = termOf(sums, "calls") * this.#calibrated![side].callWaitUs;
      learn(callUsOf(sums), [[call[side], modelledUs]], nowMs);
    }
  }

  learnRedis(clocks: RedisClocks, calibrated: CostConstants, nowMs: number): void {
    this.#use(calibrated);
    const [before, work] = [this.#clocks, this.#work];
    [this.#clocks, this.#work] = [clocks, new Work()];
    if (before === null || !work.isKnown) return;
    const passedUs = 1e3 * (clocks.atMs - before.atMs);
    const redisUs = clocks.redisUs - before.redisUs;
    const hostsUs = clocks.hostsUs - before.hostsUs;
    const commands = clocks.commands - before.commands;
    const commandsUs = clocks.commandsUs - before.commandsUs;
    // Redis was restarted, or its statistics were reset.
    if (!(passedUs > 0) || redisUs < 0 || hostsUs < 0 || commands < 0 || commandsUs < 0) return;
    this.#learnRedisWork(work, { redisUs, commands, commandsUs }, passedUs, nowMs);
    const { compute, storage } = work;
    const { hosts } = this.#factors;
    const ofCompute = calibrated.compute;
    const withoutNode = { ...ofCompute, callUs: Math.max(0, ofCompute.callUs - ofCompute.nodeCallUs) };
    const modelledUs = {
      compute: overheadUsOf(withoutNode, compute.calls, compute),
      storage: overheadUsOf(calibrated.storage, storage.calls, storage),
    };
    const workedUs = { compute: work.hostsUs - compute.cpuUs, storage: hostsUs - storage.cpuUs };
    for (const side of ["compute", "storage"] as const) {
      if (modelledUs[side] >= BUSY_MIN * passedUs) learn(workedUs[side], [[hosts[side], modelledUs[side]]], nowMs);
    }
  }

  #learnRedisWork(
    { compute, storage }: Work,
    { redisUs, commands, commandsUs }: Pick<RedisClocks, "redisUs" | "commands" | "commandsUs">,
    passedUs: number,
    nowMs: number,
  ): void {
    const { redis } = this.#factors;
    const of = this.#calibrated!;
    const { lockUs } = storage;
    // Operations at storage run while the lock is held, and that time is measured.
    const atStorage = { operations: 0, rounds: storage.rounds, bytes: 0 };
    const parts = [
      [redis.compute, redisUsOf(of.compute, compute.calls, compute)],
      [redis.storage, redisUsOf(of.storage, storage.calls, atStorage)],
    ] as const;
    const modelledUs = parts[0][1] + parts[1][1];
    if (modelledUs >= BUSY_MIN * passedUs) {
      // Excess may be plain clients' work: by their part of the commands, or by commands that take long.
      const ownPart = commands > 0 ? Math.min(1, (compute.operations + storage.calls) / commands) : 0;
      const ownCommandsUs = compute.operations * of.compute.redisOperationUs + compute.bytes * of.compute.redisByteUs;
      const workedUs = redisUs - lockUs;
      const plainUs = Math.max(workedUs * (1 - ownPart), commandsUs - lockUs - FACTOR_MAX * ownCommandsUs);
      learn(Math.min(workedUs, Math.max(modelledUs, workedUs - plainUs)), parts, nowMs);
    }
    const explainedUs = lockUs + parts.reduce((sum, [factor, us]) => sum + factor.at(nowMs) * us, 0);
    this.#plainCores = (this.#plainCores + clamp((redisUs - explainedUs) / passedUs, 0, 1)) / 2;
  }

  /** The part of Redis' thread that plain clients keep busy, 0 to 1. */
  get plainCores(): number {
    return this.#plainCores;
  }

  /** Compute cores that nodes keep busy with work that no call explains. */
  workBeyondCalls(nowMs: number): number {
    return Math.max(0, (Math.LN2 * this.#beyondUs.at(nowMs)) / (1e3 * BEYOND_HALF_LIFE.ms));
  }

  constants(calibrated: CostConstants, nowMs: number): CostConstants {
    this.#use(calibrated);
    const corrected = <Of extends CostConstants[Side]>(side: Side, of: Of): Of => {
      const [call, node, hosts, redis] = (["call", "node", "hosts", "redis"] as const).map((name) =>
        this.#factors[name][side].at(nowMs),
      ) as [number, number, number, number];
      const nodeCallUs = node * of.nodeCallUs;
      const isAtStorage = side === "storage";
      return {
        ...of,
        callWaitUs: call * of.callWaitUs,
        callUs: isAtStorage ? hosts * of.callUs : nodeCallUs + hosts * Math.max(0, of.callUs - of.nodeCallUs),
        operationUs: hosts * of.operationUs,
        roundUs: hosts * of.roundUs,
        byteUs: hosts * of.byteUs,
        nodeCallUs,
        redisCallUs: redis * of.redisCallUs,
        redisRoundUs: redis * of.redisRoundUs,
        // At storage each function's lock time is measured.
        redisOperationUs: isAtStorage ? of.redisOperationUs : redis * of.redisOperationUs,
        redisByteUs: isAtStorage ? of.redisByteUs : redis * of.redisByteUs,
      };
    };
    return { compute: corrected("compute", calibrated.compute), storage: corrected("storage", calibrated.storage) };
  }

  /** Other constants need other corrections. Clocks from before include the calibration's own calls. */
  #use(calibrated: CostConstants): void {
    if (this.#calibrated === calibrated) return;
    this.#calibrated = calibrated;
    this.#factors = newFactors();
    [this.#work, this.#clocks] = [new Work(), null];
  }
}

function newFactors() {
  const bySide = (): BySide<Factor> => ({ compute: new Factor(), storage: new Factor() });
  return { call: bySide(), node: bySide(), hosts: bySide(), redis: bySide() };
}
