// What moving and computing cost before anything was calibrated. They were measured on two cores of an AMD EPYC over
// loopback: Redis and its hosts on one core, a node on the other (docs/benchmarks.md). A calibration replaces them
// once the machine is quiet. Until then, a measurement of the network replaces those that depend on it.

import type { CostConstants } from "./cost-model.ts";

export const DEFAULT_CONSTANTS: CostConstants = {
  compute: {
    callWaitUs: 4,
    enterUs: 8,
    operationWaitUs: 0.35,
    roundWaitUs: 55,
    callUs: 12,
    operationUs: 0.3,
    roundUs: 8,
    byteUs: 0.0004,
    nodeCallUs: 8,
    redisCallUs: 0.1,
    redisOperationUs: 0.3,
    redisRoundUs: 7,
    redisByteUs: 0.0003,
    bytesPerUs: 1_500,
  },
  storage: {
    callWaitUs: 140,
    enterUs: 20,
    operationWaitUs: 0.12,
    roundWaitUs: 9,
    callUs: 16,
    operationUs: 0.3,
    roundUs: 3,
    byteUs: 0.0003,
    nodeCallUs: 40,
    redisCallUs: 27,
    redisOperationUs: 0.1,
    redisRoundUs: 0.7,
    redisByteUs: 0.00015,
    cpuRatio: 1,
    found: 0.9,
  },
};

/** The shortest PING over loopback, µs: of 128 each, 62, 64, 73 and 89 on two cores of an Intel Xeon (KVM). */
export const DEFAULT_ROUND_TRIP_US = 65;
