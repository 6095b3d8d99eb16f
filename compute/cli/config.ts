// The settings of the command line tools: which node they talk to, and for those that talk to Redis themselves, where
// it is.

import { LocusError } from "#runtime/errors.ts";
import type { RedisAddress, RedisUser } from "../node/redis-connection.ts";
import { redisTarget } from "../redis-settings.ts";
import { readSettings, type Environment } from "../setting.ts";
import { CLI_SETTINGS, NODE_SETTINGS, REDIS_SETTINGS, unknownVariables } from "../settings.ts";

export interface CliConfig {
  /** Of the node, without a slash at the end. */
  readonly url: string;
  readonly redis: RedisAddress;
  readonly user: RedisUser;
}

/** `urlGiven`: the value of `--url`. Throws CONFIG_INVALID with every mistake, a line each. */
export const readCliConfig = (urlGiven?: string, environment: Environment = process.env): CliConfig => {
  const cli = readSettings(CLI_SETTINGS, environment);
  const redis = readSettings(REDIS_SETTINGS, environment);
  const target = redisTarget(redis.values);
  const { httpPort } = readSettings(NODE_SETTINGS, environment).values;
  const mistakes = [...cli.mistakes, ...redis.mistakes, ...target.mistakes, ...unknownVariables(environment)];
  const url = urlGiven ?? cli.values.url ?? `http://127.0.0.1:${httpPort}`;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    mistakes.push(`"${url}" is no URL of a node (http://host:port)`);
  if (mistakes.length > 0) throw new LocusError("CONFIG_INVALID", mistakes.join("\n  "));
  return { url: url.replace(/\/+$/, ""), redis: target.address, user: target.user };
};
