// All that `locus doctor` looks at, in the order in which one thing needs another.

import { LocusError } from "#runtime/errors.ts";
import { readNodeConfig } from "../node/config.ts";
import { examineBuild } from "./doctor-build.ts";
import { findings, type Finding } from "./doctor-finding.ts";
import { examineMachine, readMachineFacts } from "./doctor-machine.ts";
import { examineNode } from "./doctor-node.ts";
import { examineRedis } from "./doctor-redis.ts";

/** Part by part, as each is known. On what is no Linux the rest need not be asked. */
export async function* examine(): AsyncGenerator<readonly Finding[]> {
  const facts = readMachineFacts();
  yield examineMachine(facts);
  if (facts.platform !== "linux") return;
  yield await examineBuild();
  try {
    const { redis, nodeUser, httpHost, httpPort } = readNodeConfig();
    yield await examineRedis(redis, nodeUser);
    yield await examineNode(httpHost, httpPort);
  } catch (error) {
    if (!(error instanceof LocusError && error.code === "CONFIG_INVALID")) throw error;
    yield [findings("node").missing("settings", error.message, "correct them (docs/configuration.md)")];
  }
}
