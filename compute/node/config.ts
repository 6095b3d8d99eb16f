// A node's settings, read once when it starts. Parts of the node get values from here, not this object.

import { LocusError } from "#runtime/errors.ts";
import { redisTarget } from "../redis-settings.ts";
import { REDIS_SETTINGS } from "#runtime/place-settings.ts";
import { readSettings, unknownVariables, type Environment, type SettingValues } from "#runtime/setting.ts";
import { type GrpcConfig, readGrpcConfig } from "#scheduler/service/config.ts";
import { COMPUTE_TABLES, LOOPBACK, NODE_SETTINGS, schedulerEndpoint } from "../settings.ts";
import type { RedisAddress, RedisUser } from "./redis-connection.ts";

type NodeValues = Omit<SettingValues<typeof NODE_SETTINGS>, "functionUser" | "functionPassword">;

export interface NodeConfig extends NodeValues {
  readonly redis: RedisAddress;
  /** Of the node's own connections. */
  readonly nodeUser: RedisUser;
  /** Of the connections on which functions run. */
  readonly functionUser: RedisUser;
  readonly grpc: GrpcConfig;
}

const SETTINGS_OF_FUNCTION_USER = "LOCUS_FUNCTION_USER and LOCUS_FUNCTION_PASSWORD";

/** Of the machine's own, or another container's: there loopback is whatever it is there. */
const SHARED_NETWORK = /^(host$|container:)/;

/** What a driver of instances lacks in the other settings. */
const driverMistakes = (
  { driver, scheduler, dockerNetwork }: Pick<NodeValues, "driver" | "scheduler" | "dockerNetwork">,
  { host, path }: RedisAddress,
): readonly string[] => {
  if (driver === "isolate") return [];
  const mistakes: string[] = [];
  if (scheduler === "off") {
    mistakes.push(`LOCUS_DRIVER: nobody would start a ${driver}: with LOCUS_SCHEDULER=off there are no instances`);
  }
  if (driver !== "docker") return mistakes;
  if (path !== null) {
    mistakes.push("LOCUS_DRIVER: a container cannot reach Redis by a Unix socket of this machine; give host and port");
  } else if (LOOPBACK.test(host) && !SHARED_NETWORK.test(dockerNetwork ?? "")) {
    mistakes.push(
      `LOCUS_DRIVER: a container cannot reach Redis at ${host}; have Redis listen where containers reach it, or set LOCUS_DOCKER_NETWORK=host`,
    );
  }
  return mistakes;
};

/** Throws CONFIG_INVALID with every mistake, a line each. */
export const readNodeConfig = (environment: Environment = process.env): NodeConfig => {
  const redis = readSettings(REDIS_SETTINGS, environment);
  const node = readSettings(NODE_SETTINGS, environment);
  const target = redisTarget(redis.values);
  const { functionUser, functionPassword, ...values } = node.values;
  const unknown = unknownVariables(COMPUTE_TABLES, environment);
  const mistakes = [...redis.mistakes, ...target.mistakes, ...node.mistakes, ...unknown];
  const grpc = readGrpcConfig(environment, mistakes);
  if (schedulerEndpoint(values.scheduler) !== null && grpc.peer.secret === null) {
    mistakes.push(
      "LOCUS_SCHEDULER: a scheduler of its own does not know the nodes' secret; set LOCUS_GRPC_SECRET here and there",
    );
  }
  mistakes.push(...driverMistakes(values, target.address));
  if (functionUser === null && functionPassword !== null) {
    mistakes.push("LOCUS_FUNCTION_PASSWORD: is set without LOCUS_FUNCTION_USER");
  }
  if (mistakes.length > 0) throw new LocusError("CONFIG_INVALID", ["cannot start:", ...mistakes].join("\n  "));
  return {
    ...values,
    grpc,
    redis: target.address,
    nodeUser: target.user,
    functionUser:
      functionUser === null
        ? target.user
        : { username: functionUser, password: functionPassword, userSettings: SETTINGS_OF_FUNCTION_USER },
  };
};
