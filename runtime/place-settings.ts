// Where Redis and a node are: settings of nodes and of the command line tools, which stand in the shells from which the scheduler's programs
// are started as well. docs/configuration.md mirrors them (a test holds them equal).

import { integerBetween, oneOf, optionalSetting, PORT_MAX, type SettingTable } from "./setting.ts";

/** Redis' own default is 16 databases; it can be told to have as many as it likes. */
export const DATABASE_MAX = 65_535;

/** How to reach Redis: read by nodes and by the command line tools that talk to Redis themselves. */
export const REDIS_SETTINGS = {
  url: optionalSetting(
    "LOCUS_REDIS_URL",
    "not set",
    "`redis://[user[:password]@]host[:port][/db]`, `rediss://…` for TLS, or `unix:///path/to/socket`; takes the place of the parts below, which may only add what it leaves open. A `?` or `#` is refused",
  ),
  host: optionalSetting("LOCUS_REDIS_HOST", "`127.0.0.1`", "host of Redis"),
  port: optionalSetting("LOCUS_REDIS_PORT", "6379", "port of Redis", integerBetween(1, PORT_MAX)),
  path: optionalSetting("LOCUS_REDIS_PATH", "not set", "Unix socket of Redis, instead of host and port"),
  tls: optionalSetting(
    "LOCUS_REDIS_TLS",
    "`off`",
    "`on` or `off`: whether connections to Redis use TLS",
    oneOf(["on", "off"]),
  ),
  authorities: optionalSetting(
    "LOCUS_REDIS_CA",
    "those that Node brings along",
    "with TLS: a file with the authorities to trust (PEM)",
  ),
  database: optionalSetting(
    "LOCUS_REDIS_DB",
    "0",
    "number of the database; with one that Redis does not have nothing connects",
    integerBetween(0, DATABASE_MAX),
  ),
  user: optionalSetting("LOCUS_REDIS_USER", "Redis' default user", "user of the node's own connections"),
  password: optionalSetting("LOCUS_REDIS_PASSWORD", "not set", "its password"),
};

export const CLI_SETTINGS = {
  url: optionalSetting(
    "LOCUS_URL",
    "`http://127.0.0.1:LOCUS_HTTP_PORT`",
    "the node that the command line tools talk to; `--url` outranks it",
  ),
};

/** A program that has no use for them knows their names: they are no typing errors there. */
export const PLACE_TABLES: readonly SettingTable[] = [REDIS_SETTINGS, CLI_SETTINGS];
