// All that `locus doctor` looks at, in the order in which one thing needs another: with the settings that the tools and a
// node started here would have.

import { LocusError } from "#runtime/errors.ts";
import { readNodeConfig } from "../node/config.ts";
import { knownSettings, readCliConfig, readRedisPlace } from "./config.ts";
import { examineBuild } from "./doctor-build.ts";
import { findings, type Finding } from "./doctor-finding.ts";
import { examineMachine, readMachineFacts } from "./doctor-machine.ts";
import { examineNode } from "./doctor-node.ts";
import { examineRedis } from "./doctor-redis.ts";

/** Part by part, as each is known. On what is no Linux the rest need not be asked. `urlGiven`: the value of `--url`. */
export async function* examine(urlGiven: string | undefined, signal: AbortSignal): AsyncGenerator<readonly Finding[]> {
  const facts = readMachineFacts();
  yield examineMachine(facts);
  if (facts.platform !== "linux") return;
  yield await examineBuild();
  signal.throwIfAborted();
  const { known, unknown } = knownSettings();
  const mistakes = new Set(unknown);
  const redis = sound(() => readRedisPlace(known), mistakes);
  const cli = sound(() => readCliConfig(urlGiven, known), mistakes);
  const node = sound(() => readNodeConfig(known), mistakes);
  if (mistakes.size > 0) {
    const found = [...mistakes].join("\n  ");
    yield [findings("node").missing("settings", found, "correct them (docs/configuration.md)")];
  }
  yield await examineRedis(redis, signal);
  if (cli !== null && node !== null) yield await examineNode(cli.node, node.httpHost, node.httpPort);
}

/** null, and what is wrong, a line each, where the settings cannot be used. */
const sound = <Config>(read: () => Config, mistakes: Set<string>): Config | null => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LocusError && error.code === "CONFIG_INVALID")) throw error;
    for (const mistake of error.message.replace("cannot start:\n", "").split("\n")) mistakes.add(mistake.trim());
    return null;
  }
};
