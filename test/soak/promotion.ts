// The replica becomes the master, and the master its replica: planned, by FAILOVER, which loses nothing; or after the master has
// been killed, which loses what had not reached the replica. Whoever calls this sees to it that nothing else happens to
// the two or to their network meanwhile.

import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Cluster } from "./cluster.ts";
import { infoOf } from "./redis-info.ts";

/** A replica that has just been started may still be loading. */
const FOLLOWED_TIMEOUT_MS = 10_000;
/** The replica has to catch up meanwhile, while writes wait. */
const FAILOVER_TIMEOUT_MS = 5_000;
const SETTLED_TIMEOUT_MS = 60_000;
const LOOK_MS = 20;

/** Redis' own FAILOVER, and then the nodes and clients move over. false: it was not begun, or given up; all is as it was. */
export async function failOver(cluster: Cluster): Promise<boolean> {
  const [master, replica] = [cluster.client("master"), cluster.client("replica")];
  try {
    if (!(await isFollowed(master))) return false;
    await master.call("FAILOVER", "TO", ...cluster.addressOf("replica"), "TIMEOUT", FAILOVER_TIMEOUT_MS);
    const isOver = await waitFor(SETTLED_TIMEOUT_MS, async () => {
      const [of, its] = [await replicationOf(master), await replicationOf(replica)];
      const settled = of.get("master_failover_state") === "no-failover";
      return settled && (of.get("role") === "master" || its.get("role") === "master");
    });
    if (!isOver) throw new Error("a FAILOVER came to no end");
    if ((await replicationOf(master)).get("role") === "master") return false;
    cluster.moveOver();
    return true;
  } finally {
    for (const client of [master, replica]) client.disconnect();
  }
}

/**
 * Kills the master once its replica has everything that was acknowledged before this was called, and nodes and clients move over.
 * false: there is no replica that has; all is as it was.
 */
export async function promoteAfterKill(cluster: Cluster): Promise<boolean> {
  const [master, replica] = [cluster.client("master"), cluster.client("replica")];
  try {
    if (!(await isFollowed(master))) return false;
    await master.incr("soak:promotions");
    if ((await master.wait(1, FAILOVER_TIMEOUT_MS)) < 1) return false;
    process.kill(cluster.pidOf("master"), "SIGKILL");
    await replica.replicaof("NO", "ONE");
    cluster.moveOver();
    return true;
  } finally {
    for (const client of [master, replica]) client.disconnect();
  }
}

const isFollowed = (master: Redis): Promise<boolean> =>
  waitFor(FOLLOWED_TIMEOUT_MS, async () => /state=online/.test((await replicationOf(master)).get("slave0") ?? ""));

async function waitFor(timeoutMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  const untilMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > untilMs) return false;
    await sleep(LOOK_MS);
  }
  return true;
}

const replicationOf = (server: Redis): Promise<ReadonlyMap<string, string>> => infoOf(server, "replication");
