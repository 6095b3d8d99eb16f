// What the scheduler is told of a function. Where it comes from (a deployment, a trace's metas, a contest's call) is its callers' matter.

import { LocusError } from "#runtime/errors.ts";

export interface FunctionConfig {
  readonly key: string;
  /** Configured: what an instance may use at most. */
  readonly memoryMb: number;
  /** What an instance needs until its use is known; `memoryMb` at most, and unless said otherwise. */
  readonly expectedMb: number;
  /** Of one execution. */
  readonly timeoutMs: number;
  /** Instances that are kept warm whatever the policy says. */
  readonly reservedInstances: number;
  /** Instances at once, leased ones included. */
  readonly instancesMax: number;
}

/** The largest of ecs and of the contests' functions is 32 GiB; chosen. */
const MEMORY_MB_MAX = 1 << 20;
/** Of one execution: a week; chosen. */
export const TIMEOUT_MS_MAX = 7 * 24 * 3600e3;
const INSTANCES_MAX = 1_000_000;

export const functionConfig = (
  given: Partial<FunctionConfig> & Pick<FunctionConfig, "key" | "memoryMb">,
): FunctionConfig => {
  const usual = { expectedMb: given.memoryMb, timeoutMs: 60_000, reservedInstances: 0, instancesMax: INSTANCES_MAX };
  const config = { ...usual, ...given };
  const wrong = [
    ...outside(config, "memoryMb", Number.MIN_VALUE, MEMORY_MB_MAX),
    ...outside(config, "expectedMb", Number.MIN_VALUE, config.memoryMb),
    ...outside(config, "timeoutMs", 1, TIMEOUT_MS_MAX),
    ...outside(config, "reservedInstances", 0, config.instancesMax),
    ...outside(config, "instancesMax", 1, INSTANCES_MAX),
  ];
  if (wrong.length > 0) throw new LocusError("REQUEST_INVALID", `function "${config.key}": ${wrong.join("; ")}`);
  return config;
};

const outside = (
  config: FunctionConfig,
  name: Exclude<keyof FunctionConfig, "key">,
  min: number,
  max: number,
): string[] => {
  const value = config[name];
  return value >= min && value <= max
    ? []
    : [`${name} is ${value}, must be from ${min === Number.MIN_VALUE ? "above 0" : min} to ${max}`];
};
