// The cost constants of the node that controls: the default or those of an earlier controller,
// until a calibration succeeds. It needs a quiet machine, so it is tried again and again. Meanwhile
// only the network is measured.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Logger } from "pino";

import { constantsOver } from "#runtime/placement/calibration.ts";
import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { Calibrated } from "./calibrate.ts";
import type { PlacementStore } from "./placement-store.ts";

/** Pause between attempts to calibrate: the first, and the longest after doubling. Not sensitive. */
const PAUSE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 60_000;
/** A PING is sent every millisecond for this time, and answered within the same time again. Not sensitive. */
const PINGS_MS = 350;

interface CalibratorOptions {
  readonly store: Pick<PlacementStore, "readConstants" | "writeConstants">;
  readonly redis: Redis;
  /** null: others are at work. */
  readonly calibrate: (redis: Redis) => Promise<Calibrated | null>;
  /** Functions can run beside Redis. */
  readonly isOpen: () => boolean;
  readonly onChange: () => void;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
}

export class Calibrator {
  readonly #options: CalibratorOptions;
  #isClosed = false;
  #constants: CostConstants = DEFAULT_CONSTANTS;
  #from: ConstantsSource = "usual";

  constructor(options: CalibratorOptions) {
    this.#options = options;
  }

  get constants(): CostConstants {
    return this.#constants;
  }

  get from(): ConstantsSource {
    return this.#from;
  }

  /** Resolves when a calibration has succeeded or after `close`. Never rejects. */
  async run(): Promise<void> {
    const { store } = this.#options;
    const kept = await store.readConstants().catch(() => null);
    if (kept !== null) this.#use(kept, "kept");
    let isNetworkKnown = false;
    for (let pauseMs = PAUSE_MIN_MS; !this.#isClosed; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
      if (await this.#isCalibrated(pauseMs)) return;
      const paused = pause(pauseMs, undefined, { ref: false });
      isNetworkKnown ||= await this.#measureNetwork(kept);
      await paused;
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  async #isCalibrated(pauseMs: number): Promise<boolean> {
    const { store, redis, calibrate, isOpen, log } = this.#options;
    try {
      const calibrated = isOpen() ? await calibrate(redis) : null;
      if (this.#isClosed) return false;
      if (calibrated === null) {
        log.debug(
          { pauseMs },
          "not calibrated yet: others are at work, a sandbox host has ended meanwhile, or storage is off",
        );
        return false;
      }
      const { constants, tookMs } = calibrated;
      log.info({ constants, tookMs }, "calibrated");
      this.#use(constants, "measured");
      await store.writeConstants(constants).catch(() => {});
      return true;
    } catch (error) {
      const level = pauseMs === PAUSE_MIN_MS ? "warn" : "debug";
      log[level]({ reason: (error as Error).message, pauseMs }, "not calibrated: the next attempt follows");
      return false;
    }
  }

  /** False: Redis did not answer. */
  async #measureNetwork(kept: CostConstants | null): Promise<boolean> {
    const roundTripUs = await shortestRoundTripUs(this.#options.redis);
    if (roundTripUs === null || this.#isClosed) return false;
    const constants = constantsOver(roundTripUs, kept);
    if (constants === kept) return true;
    this.#options.log.info({ roundTripUs, rest: this.#from }, "calibrated for the network alone");
    this.#use(constants, "network");
    return true;
  }

  #use(constants: CostConstants, from: ConstantsSource): void {
    if (this.#isClosed) return;
    this.#constants = constants;
    this.#from = from;
    this.#options.onChange();
  }
}

/** Of many PINGs, the one that waited least for Redis' other work. null: no answer. */
async function shortestRoundTripUs(redis: Redis): Promise<number | null> {
  const startMs = performance.now();
  let shortestMs = Infinity;
  const ping = async (sentMs: number): Promise<void> => {
    try {
      await redis.ping();
    } catch (error) {
      // A refusal, for want of the right to PING, takes as long as an answer.
      if ((error as Error).name !== "ReplyError") return;
    }
    shortestMs = Math.min(shortestMs, performance.now() - sentMs);
  };
  const pings: Promise<void>[] = [];
  while (performance.now() - startMs < PINGS_MS) {
    pings.push(ping(performance.now()));
    await pause(1);
  }
  await Promise.race([Promise.all(pings), pause(PINGS_MS, undefined, { ref: false })]);
  return shortestMs < Infinity ? 1e3 * shortestMs : null;
}
