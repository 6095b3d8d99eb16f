// What `placement` says of each network, as its tests expect it: literally, and not as `ratios.ts` makes it.

export const NETWORK_RATIOS: readonly string[] = [
  "autoVsBestStatic",
  "mixAutoVsBestStatic",
  "mixAutoVsComputeOnly",
  "mixAutoVsStorageOnly",
  "autoVsOracle",
  "autoVsBestPeerRule",
  "autoVsBestPeerRuleMedian",
  "predictionErrorMedian",
];
