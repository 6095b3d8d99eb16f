// What moving and computing cost before anything was calibrated: figures of bench `access` and `http` on two cores of an AMD EPYC
// over loopback (docs/benchmarks.md). A calibration against the live Redis replaces them within the first second.

import type { CostConstants } from "./cost-model.ts";

export const DEFAULT_CONSTANTS: CostConstants = {
  compute: {
    callUs: 30,
    operationUs: 1,
    roundUs: 20,
    redisOperationUs: 0.6,
    redisRoundUs: 24,
    roundTripUs: 15,
    // 10 Gbit/s, less what headers take.
    bytesPerUs: 1_000,
  },
  storage: {
    nodeCallUs: 45,
    redisCallUs: 12,
    callUs: 5,
    callRoundTripUs: 60,
    cpuRatio: 1,
    operationUs: 0.3,
    lockUs: 0.3,
    roundUs: 0.7,
  },
};
