// The settings of the command line tools: which node they talk to, and for those that talk to Redis themselves, where
// it is; and what said so, for people who wonder.

import { LocusError } from "#runtime/errors.ts";
import type { RedisAddress, RedisUser } from "../node/redis-connection.ts";
import { redisTarget } from "../redis-settings.ts";
import { CLI_SETTINGS, REDIS_SETTINGS } from "#runtime/place-settings.ts";
import {
  integerBetween,
  PORT_MAX,
  readSettings,
  unknownVariables,
  variablesSet,
  type Environment,
} from "#runtime/setting.ts";
import { COMPUTE_TABLES, NODE_SETTINGS } from "../settings.ts";

/** Whether a terminal understands "back to the line's beginning" and "erase to its end". */
export const terminalRewrites = (environment: Environment = process.env): boolean => environment["TERM"] !== "dumb";

/** In the help of what talks to Redis itself. */
export const REDIS_HELP = `
Redis is where LOCUS_REDIS_URL says, or LOCUS_REDIS_HOST, LOCUS_REDIS_PORT, LOCUS_REDIS_PATH, LOCUS_REDIS_DB
and the like (docs/configuration.md); else at 127.0.0.1:6379.`;

/** Where a node is. */
export interface NodePlace {
  /** Without a slash at the end. */
  readonly url: string;
  /** What said so: `--url`, a setting's name, or `default`. */
  readonly from: string;
  /** Whether it was said of the tools. Else they take the place where a node of this machine would listen. */
  readonly isNamed: boolean;
}

/** Where Redis is, and what said so. */
export interface RedisPlace {
  readonly redis: RedisAddress;
  readonly user: RedisUser;
  readonly redisFrom: string;
}

export interface CliConfig extends RedisPlace {
  readonly node: NodePlace;
}

/** What says where something is where nobody does. */
export const DEFAULT = "default";

/** `urlGiven`: the value of `--url`. Throws CONFIG_INVALID with every mistake, a line each. */
export const readCliConfig = (urlGiven?: string, environment: Environment = process.env): CliConfig => {
  const cli = readSettings(CLI_SETTINGS, environment);
  const redis = redisPlace(environment);
  const node = readSettings(NODE_SETTINGS, environment);
  const place = nodePlace(urlGiven, cli.values.url, node.values.httpPort, environment);
  const mistakes = [
    ...cli.mistakes,
    ...redis.mistakes,
    ...(place.isNamed ? [] : node.mistakes.filter((mistake) => mistake.startsWith(NODE_SETTINGS.httpPort.variable))),
    ...(place.isNamed ? urlMistakes(place) : []),
    ...unknownVariables(COMPUTE_TABLES, environment),
  ];
  refuse(mistakes);
  return { node: { ...place, url: place.url.replace(/\/+$/, "") }, ...redis.place };
};

/** For who needs no node: its settings may have mistakes. Throws CONFIG_INVALID as `readCliConfig`. */
export const readRedisPlace = (environment: Environment): RedisPlace => {
  const { place, mistakes } = redisPlace(environment);
  refuse(mistakes);
  return place;
};

/** The environment without the variables that locus does not know, and a sentence for each of those: they stand in nothing's way. */
export const knownSettings = (
  environment: Environment = process.env,
): { readonly known: Environment; readonly unknown: readonly string[] } => {
  const unknown = unknownVariables(COMPUTE_TABLES, environment);
  const isKnown = (variable: string): boolean => !unknown.some((mistake) => mistake.startsWith(`${variable}: `));
  return { known: Object.fromEntries(Object.entries(environment).filter(([variable]) => isKnown(variable))), unknown };
};

const refuse = (mistakes: readonly string[]): void => {
  if (mistakes.length > 0) throw new LocusError("CONFIG_INVALID", mistakes.join("\n  "));
};

const redisPlace = (environment: Environment): { place: RedisPlace; mistakes: readonly string[] } => {
  const { values, mistakes } = readSettings(REDIS_SETTINGS, environment);
  const target = redisTarget(values);
  const redisFrom = variablesSet(REDIS_SETTINGS, environment).join(", ") || DEFAULT;
  return {
    place: { redis: target.address, user: target.user, redisFrom },
    mistakes: [...mistakes, ...target.mistakes],
  };
};

const nodePlace = (
  urlGiven: string | undefined,
  urlSet: string | null,
  httpPort: number,
  environment: Environment,
): NodePlace => {
  if (urlGiven !== undefined) return { url: urlGiven, from: "--url", isNamed: true };
  if (urlSet !== null) return { url: urlSet, from: CLI_SETTINGS.url.variable, isNamed: true };
  const [portSet = DEFAULT] = variablesSet({ port: NODE_SETTINGS.httpPort }, environment);
  return { url: `http://127.0.0.1:${httpPort}`, from: portSet, isNamed: false };
};

const urlMistakes = ({ url, from }: NodePlace): readonly string[] => {
  const [, protocol, port] = /^(https?):\/\/[^/]*?(?::(\d*))?(?:\/|$)/i.exec(url) ?? [];
  if (protocol === undefined) return [noUrl(url, from)];
  try {
    if (port !== undefined) integerBetween(1, PORT_MAX)(port);
  } catch (error) {
    return [`${from}: the port of "${url}" cannot be used: ${(error as Error).message}`];
  }
  return URL.canParse(url) ? [] : [noUrl(url, from)];
};

const noUrl = (url: string, from: string): string => {
  const isPlace = /^([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?\/?$/i.test(url);
  return `${from}: "${url}" is no URL of a node (${isPlace ? `Did you mean http://${url}?` : "http://host:port"})`;
};
