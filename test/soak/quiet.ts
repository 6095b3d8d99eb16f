// After an episode: waits until everything is whole and at rest, and reads what is there. What does not come to rest is a
// violation, and says what it still waited for.

import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Health } from "#compute/node/health.ts";
import { areBothReady } from "#test/node-process.ts";
import type { Violation } from "./checker.ts";
import type { Cluster } from "./cluster.ts";
import { WRITTEN_PREFIX } from "./functions.ts";
import { infoOf } from "./redis-info.ts";

/** Everything comes back within seconds; this is for a loaded machine. */
const REST_TIMEOUT_MS = 60_000;
const LOOK_MS = 50;
/** What differs for so long differs for good. */
const COMPARE_TIMEOUT_MS = 60_000;
/** A connection of its own, so that none is left open at the node. */
const PROBE = (): RequestInit => ({ headers: { connection: "close" }, signal: AbortSignal.timeout(5_000) });

/** Clients of nodes that wait in Redis whenever there is nothing for them: samples, and calls that came without a node. */
const WAITING: ReadonlySet<string> = new Set(["locus-placement-samples", "locus-attachment"]);

/** Names of the other clients that wait in Redis. */
async function blockedClients(redis: Redis): Promise<readonly string[]> {
  const clients = String(await redis.client("LIST")).split("\n");
  return clients.flatMap((client) => {
    const [, name = ""] = / name=(\S*) /.exec(client) ?? [];
    return / flags=\S*b/.test(client) && !WAITING.has(name) ? [name === "" ? "one without a name" : name] : [];
  });
}

type Listed = readonly [name: string, version: string, description: string];

/** All pages of the registry. */
async function functionsOf(server: Redis): Promise<readonly Listed[]> {
  const all: Listed[] = [];
  for (;;) {
    const after = all.at(-1)?.[0];
    const page = (await server.call(
      "LOCUS.FUNCTION",
      "LIST",
      ...(after === undefined ? [] : ["AFTER", after]),
    )) as Listed[];
    if (page.length === 0) return all;
    all.push(...page);
  }
}

/** Functions that a node is asked for at once. */
const ASKED_AT_ONCE = 16;

export class QuietCluster {
  readonly #cluster: Cluster;
  readonly #clients = new Map<string, Redis>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Resolves when nothing is in flight, nobody is blocked, both sides of both nodes are ready and the replica has all; at the latest after a minute, with what was missing. */
  async rest(signal: AbortSignal): Promise<readonly Violation[]> {
    const untilMs = performance.now() + REST_TIMEOUT_MS;
    for (;;) {
      const missing = (await Promise.all([this.#unrestOfRedis(), this.#unrestOfNodes()])).flat();
      if (missing.length === 0 || signal.aborted) return [];
      if (performance.now() > untilMs)
        return missing.map((text) => ({
          rule: "everything comes back",
          text: `${text}, a minute after the last fault`,
        }));
      await sleep(LOOK_MS);
    }
  }

  async #unrestOfRedis(): Promise<readonly string[]> {
    try {
      const [master, replica] = [await infoOf(this.#master, "everything"), await infoOf(this.#replica, "everything")];
      const missing: string[] = [];
      for (const [name, client, info] of [
        ["master", this.#master, master],
        ["replica", this.#replica, replica],
      ] as const) {
        for (const field of ["locus_calls_in_flight", "locus_calls_queued"]) {
          if (info.get(field) !== "0") missing.push(`${name} has ${field} ${info.get(field)}`);
        }
        const blocked = await blockedClients(client);
        if (blocked.length > 0) missing.push(`${name} has blocked clients: ${blocked.join(", ")}`);
        if (!/state=ready/.test(info.get("locus_host0") ?? ""))
          missing.push(`${name} has no sandbox host that is ready`);
        for (const [field, host] of info) {
          if (/^locus_host\d+$/.test(field) && !host.includes(",passing=0,"))
            missing.push(`${name} has isolates that take no calls: ${host}`);
        }
      }
      if (replica.get("master_link_status") !== "up") missing.push("the replica has no link to the master");
      if (replica.get("slave_repl_offset") !== master.get("master_repl_offset")) missing.push("the replica is behind");
      return missing;
    } catch (error) {
      return [`Redis says ${String(error)}`];
    }
  }

  async #unrestOfNodes(): Promise<readonly string[]> {
    const all = Object.entries(this.#cluster.nodes).map(async ([name, node]) => {
      try {
        const ready = await (await fetch(`${node.url}/readyz`, PROBE())).text();
        if (!areBothReady(JSON.parse(ready) as Health)) return [`${name} is not ready: ${ready}`];
        const metrics = await (await fetch(`${node.url}/metrics`, PROBE())).text();
        return [
          "locus_calls_in_flight",
          "locus_storage_queue_length",
          'locus_invocations{state="queued"}',
          'locus_sandbox_isolates{state="passing"}',
        ]
          .filter((metric) => !metrics.includes(`\n${metric} 0\n`))
          .map((metric) => `${name} has ${metric} other than 0`);
      } catch (error) {
        return [`${name} says ${String(error)}`];
      }
    });
    return (await Promise.all(all)).flat();
  }

  /** What calls have written, by their ids. */
  async written(): Promise<ReadonlyMap<string, readonly string[]>> {
    const keys = await this.#master.keys(`${WRITTEN_PREFIX}*`);
    const lists = await Promise.all(keys.map((key) => this.#master.lrange(key, 0, -1)));
    return new Map(keys.map((key, index) => [key.slice(WRITTEN_PREFIX.length), lists[index] ?? []]));
  }

  /** Whether master and replica come to hold the same. Nodes at rest write as well, several times a second: the two are never asked at once. */
  async compareReplica(): Promise<readonly Violation[]> {
    const deadlineMs = performance.now() + COMPARE_TIMEOUT_MS;
    for (;;) {
      const violations = await this.#differences();
      if (violations.length === 0 || performance.now() > deadlineMs) return violations;
      await sleep(LOOK_MS);
    }
  }

  async #differences(): Promise<readonly Violation[]> {
    const [master, replica] = await Promise.all(
      [this.#master, this.#replica].map(async (server) => ({
        digest: await server.call("DEBUG", "DIGEST"),
        functions: JSON.stringify(await functionsOf(server)),
      })),
    );
    const other = (what: string): Violation => ({
      rule: "the replica follows",
      text: `it holds other ${what} than the master`,
    });
    return [
      ...(master?.digest === replica?.digest ? [] : [other("keys")]),
      ...(master?.functions === replica?.functions ? [] : [other("functions")]),
    ];
  }

  /** The version of each function in the registry; and where a node's mirror has another, or none. */
  async deployed(): Promise<{ readonly stored: ReadonlyMap<string, string>; readonly mirrors: readonly Violation[] }> {
    const stored = new Map((await functionsOf(this.#master)).map(([name, version]) => [name, version]));
    const mirrors: Violation[] = [];
    for (const [node, { url }] of Object.entries(this.#cluster.nodes)) {
      const ask = async ([name, version]: readonly [string, string]): Promise<void> => {
        const response = await fetch(`${url}/v1/functions/${name}/invocations?version=${version}`, {
          ...PROBE(),
          method: "POST",
          body: "{",
          headers: { connection: "close", "content-type": "application/json" },
        });
        // Args that are no JSON get as far as the function's own isolate, and no further; opening one may take its whole deadline.
        const { code = "none" } = (await response.json()) as { readonly code?: string };
        if (code !== "ARGS_INVALID" && code !== "DEADLINE_EXCEEDED")
          mirrors.push({
            rule: "everything comes back",
            text: `${node} cannot call ${name} in version ${version}: ${code}`,
          });
      };
      const left = [...stored];
      while (left.length > 0) await Promise.all(left.splice(0, ASKED_AT_ONCE).map(ask));
    }
    return { stored, mirrors };
  }

  /** Forgets what the episode has written. */
  async clear(ids: Iterable<string>): Promise<void> {
    const keys = [...ids].map((id) => WRITTEN_PREFIX + id);
    if (keys.length > 0) await this.#master.unlink(...keys);
  }

  close(): void {
    for (const client of this.#clients.values()) client.disconnect();
  }

  get #master(): Redis {
    return this.#client("master");
  }

  get #replica(): Redis {
    return this.#client("replica");
  }

  /** One for each server, whatever its role is now. */
  #client(role: "master" | "replica"): Redis {
    const { path } = this.#cluster[role];
    const client = this.#clients.get(path) ?? this.#cluster.client(role);
    this.#clients.set(path, client);
    return client;
  }
}
