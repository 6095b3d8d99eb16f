// What a soak runs against: a master with an AOF that is synced at every write, a replica, two nodes, all with their sandbox
// hosts, and between each of them and the master a network that can fail. It knows how to start and end its parts, not
// when.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { childrenOf } from "#bench/harness/processes.ts";
import { NodeProcess } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { LINKS, type Link, type Member } from "./fault-schedule.ts";
import { NetworkLink } from "./network-link.ts";

/** Clients reach the servers by their Unix sockets, and others through the links: no port of theirs can be taken meanwhile. */
const NO_PORT = ["port", "0"] as const;
const MASTER_CONFIG = [
  NO_PORT,
  ["appendonly", "yes"],
  ["appendfsync", "always"],
  ["enable-debug-command", "local"],
] as const;
const COMMAND_TIMEOUT_MS = 10_000;
/** Small, so that a run goes through them and is full sometimes. */
const NODE_SETTINGS = {
  LOCUS_STORAGE_CONNECTIONS_MAX: "32",
  LOCUS_COMPUTE_CONNECTIONS: "2",
  LOCUS_ISOLATES_MAX: "16",
  LOCUS_GRACE_MS: "3000",
};

export class Cluster {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly nodes: Readonly<Record<"node1" | "node2", NodeProcess>>;
  readonly links: Readonly<Record<Link, NetworkLink>>;

  private constructor(parts: Pick<Cluster, "master" | "replica" | "nodes" | "links">) {
    this.master = parts.master;
    this.replica = parts.replica;
    this.nodes = parts.nodes;
    this.links = parts.links;
  }

  /** Everything is up, functions are not deployed. Whoever starts it closes it. */
  static async start(): Promise<Cluster> {
    await using started = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), "locus-soak-"));
    started.defer(() => rmSync(directory, { recursive: true, force: true }));
    const master = started.adopt(await startRedisServer({ config: MASTER_CONFIG }), (server) => server.close());
    const opened = await Promise.all(
      LINKS.map(async (link) => [link, started.adopt(await NetworkLink.open(master.path), (one) => one.close())]),
    );
    const links = Object.fromEntries(opened) as Record<Link, NetworkLink>;
    const replica = started.adopt(
      await startRedisServer({
        config: [NO_PORT, ["replicaof", "127.0.0.1", `${links.replica.port}`], ["enable-debug-command", "local"]],
      }),
      (server) => server.close(),
    );
    const start = async (name: "node1" | "node2"): Promise<NodeProcess> => {
      const settings = { ...NODE_SETTINGS, LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: `${links[name].port}` };
      const node = await NodeProcess.start({ settings, logPath: join(directory, `${name}.log`) });
      return started.adopt(node, (one) => one.end("SIGKILL"));
    };
    const nodes = { node1: await start("node1"), node2: await start("node2") };
    const resources = started.move();
    const cluster = new Cluster({ master, replica, nodes, links });
    cluster.close = () => resources.disposeAsync();
    return cluster;
  }

  /** Ends all of it and removes its folders. Idempotent. */
  close: () => Promise<void> = async () => {};

  pidOf(member: Member): number {
    return member === "master" || member === "replica" ? this[member].pid() : this.nodes[member].pid;
  }

  /** Sandbox hosts of the member, one that is only starting included. */
  hostsOf(member: Member): readonly number[] {
    return childrenOf(this.pidOf(member));
  }

  /** Whose commands fail when they have no answer for a while, rather than wait for ever. */
  client(member: "master" | "replica"): Redis {
    return this[member].client({ commandTimeout: COMMAND_TIMEOUT_MS });
  }

  logsOf(member: Member): string {
    return member === "master" || member === "replica" ? this[member].log() : this.nodes[member].log();
  }

  /** Ends the member, and starts it again after `pause`. Resolves when it answers. */
  async restart(member: Member, how: "SIGTERM" | "SIGKILL", pause: () => Promise<void>): Promise<void> {
    if (member === "master" || member === "replica") {
      process.kill(this.pidOf(member), how);
      await pause();
      await this[member].restart(how);
    } else {
      await this.nodes[member].end(how);
      await pause();
      await this.nodes[member].startAgain();
    }
  }

  /** Copies of all logs, for whoever looks into a failure. */
  saveLogs(folder: string, write: (path: string, text: string) => void): void {
    mkdirSync(folder, { recursive: true });
    for (const member of ["master", "replica", "node1", "node2"] as const) {
      write(join(folder, `${member}.log`), this.logsOf(member));
    }
  }
}
