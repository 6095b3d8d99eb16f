// The cost constants of the node that controls: the default or those of an earlier controller,
// until a calibration succeeds. It needs a quiet machine, so it is tried again and again. Meanwhile
// only the network is measured.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Logger } from "pino";

import { constantsOver } from "#runtime/placement/calibration.ts";
import { CALLS_MIN } from "#runtime/placement/comparison.ts";
import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { BACK_OFF_MS_MAX } from "#runtime/placement/memory.ts";
import { RETRY_MS, type PlacementStore } from "../placement/placement-store.ts";

interface CalibratorOptions {
  readonly store: Pick<PlacementStore, "readConstants" | "writeConstants">;
  readonly redis: Redis;
  /** null: others are at work. */
  readonly calibrate: (redis: Redis) => Promise<CostConstants | null>;
  /** Functions can run beside Redis. */
  readonly isOpen: () => boolean;
  readonly onChange: () => void;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
}

interface Calibration {
  readonly constants: CostConstants;
  readonly from: ConstantsSource;
}

export class Calibrator {
  readonly #options: CalibratorOptions;
  #isClosed = false;
  #calibration: Calibration = { constants: DEFAULT_CONSTANTS, from: "usual" };

  constructor(options: CalibratorOptions) {
    this.#options = options;
  }

  get calibration(): Calibration {
    return this.#calibration;
  }

  /** Resolves when a calibration has succeeded or after `close`. Never rejects. */
  async run(): Promise<void> {
    const { store } = this.#options;
    const kept = await store.readConstants().catch(() => null);
    if (kept !== null) this.#use(kept, "kept");
    let isNetworkKnown = false;
    for (let pauseMs = RETRY_MS; !this.#isClosed; pauseMs = Math.min(2 * pauseMs, BACK_OFF_MS_MAX)) {
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
      const startMs = performance.now();
      const constants = isOpen() ? await calibrate(redis) : null;
      if (this.#isClosed) return false;
      if (constants === null) {
        log.debug(
          { pauseMs },
          "not calibrated yet: others are at work, a sandbox host has ended meanwhile, or storage is off",
        );
        return false;
      }
      log.info({ constants, tookMs: Math.round(performance.now() - startMs) }, "calibrated");
      this.#use(constants, "measured");
      await store.writeConstants(constants).catch(() => {});
      return true;
    } catch (error) {
      const level = pauseMs === RETRY_MS ? "warn" : "debug";
      log[level]({ reason: (error as Error).message, pauseMs }, "not calibrated: the next attempt follows");
      return false;
    }
  }

  /** False: Redis did not answer. */
  async #measureNetwork(kept: CostConstants | null): Promise<boolean> {
    const { redis, log } = this.#options;
    const roundTripUs = await shortestRoundTripUs(redis);
    if (roundTripUs === null || this.#isClosed) return false;
    const constants = constantsOver(roundTripUs, kept);
    if (constants === kept) return true;
    log.info({ roundTripUs, rest: this.#calibration.from }, "calibrated for the network alone");
    this.#use(constants, "network");
    return true;
  }

  #use(constants: CostConstants, from: ConstantsSource): void {
    if (this.#isClosed) return;
    this.#calibration = { constants, from };
    this.#options.onChange();
  }
}

/** Of many PINGs, the one that waited least for Redis' other work. null: no answer. */
async function shortestRoundTripUs(redis: Redis): Promise<number | null> {
  const ping = async (): Promise<number> => {
    const sentMs = performance.now();
    await redis.ping().catch((error: Error) => {
      // A refusal, for want of the right to PING, takes as long as an answer.
      if (error.name !== "ReplyError") throw error;
    });
    return performance.now() - sentMs;
  };
  let shortestMs = Infinity;
  try {
    // A few would all wait for a Redis that is busy.
    for (let sent = 0; sent < 4 * CALLS_MIN; sent++) shortestMs = Math.min(shortestMs, await ping());
  } catch {
    return null;
  }
  return 1e3 * shortestMs;
}
