// All that `locus doctor` looks at, in the order in which one thing needs another: with the settings that the tools and a
// node started here would have.

import { LocusError } from "#runtime/errors.ts";
import { readNodeConfig } from "../node/config.ts";
import { readCliConfig } from "./config.ts";
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
  try {
    const { httpHost, httpPort } = readNodeConfig();
    const config = readCliConfig(urlGiven);
    yield await examineRedis(config, signal);
    yield await examineNode(config.node, httpHost, httpPort);
  } catch (error) {
    if (!(error instanceof LocusError && error.code === "CONFIG_INVALID")) throw error;
    yield [findings("node").missing("settings", error.message, "correct them (docs/configuration.md)")];
  }
}
