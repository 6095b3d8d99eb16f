// What moving and computing cost before anything was calibrated: CPU time of Redis, hosts and node under bench `placement` on two cores
// of an AMD EPYC over loopback (docs/benchmarks.md). A calibration against the live Redis replaces them within the first second.

import type { CostConstants } from "./cost-model.ts";

export const DEFAULT_CONSTANTS: CostConstants = {
  compute: {
    callUs: 8,
    operationUs: 1,
    roundUs: 14,
    redisOperationUs: 0.6,
    redisRoundUs: 11,
    roundTripUs: 15,
    // 10 Gbit/s, less what headers take.
    bytesPerUs: 1_000,
  },
  storage: {
    nodeCallUs: 45,
    redisCallUs: 35,
    callUs: 20,
    callRoundTripUs: 60,
    cpuRatio: 1,
    operationUs: 0.3,
    lockUs: 0.3,
    roundUs: 4,
  },
};
