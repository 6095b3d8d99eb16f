// What a soak runs against: a master and a replica, each with an AOF that is synced at every write, two nodes, all with their
// sandbox hosts, and between each of them and the master a network that can fail. Master and replica can change places. It
// knows how to start and end its parts, not when.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { childrenOf, send } from "#bench/harness/processes.ts";
import { NodeProcess } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import type { Link, Member } from "./fault-schedule.ts";
import { NetworkLink } from "./network-link.ts";

const HOST = "127.0.0.1";
const REDIS_CONFIG = [
  // Clients reach the servers by their Unix sockets, and others through the links: no port of theirs can be taken meanwhile.
  ["port", "0"],
  ["appendonly", "yes"],
  ["appendfsync", "always"],
  ["enable-debug-command", "local"],
] as const;
const COMMAND_TIMEOUT_MS = 10_000;
/** Room for some forty isolates. */
const ISOLATE_MEMORY_MB = "64";
/** Small, so that a run goes through them and is full sometimes. */
const NODE_SETTINGS = {
  LOCUS_STORAGE_CONNECTIONS_MAX: "32",
  LOCUS_COMPUTE_CONNECTIONS: "2",
  LOCUS_ISOLATE_MEMORY_MB: ISOLATE_MEMORY_MB,
  LOCUS_GRACE_MS: "3000",
};

type Role = "master" | "replica";

/** A redis-server, with the network by which the other one follows it. */
interface Server {
  readonly redis: RedisServer;
  readonly link: NetworkLink;
}

export class Cluster {
  readonly nodes: Readonly<Record<"node1" | "node2", NodeProcess>>;
  readonly #nodeLinks: Readonly<Record<"node1" | "node2", NetworkLink>>;
  #servers: Readonly<Record<Role, Server>>;

  private constructor(
    servers: Readonly<Record<Role, Server>>,
    nodes: Cluster["nodes"],
    nodeLinks: Readonly<Record<"node1" | "node2", NetworkLink>>,
  ) {
    this.#servers = servers;
    this.nodes = nodes;
    this.#nodeLinks = nodeLinks;
  }

  /** Everything is up, functions are not deployed. Whoever starts it closes it. */
  static async start(): Promise<Cluster> {
    await using started = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), "locus-soak-"));
    started.defer(() => rmSync(directory, { recursive: true, force: true }));
    const openLink = async (): Promise<NetworkLink> => started.adopt(await NetworkLink.open(), (link) => link.close());
    const startServer = async (...config: readonly (readonly string[])[]): Promise<Server> => {
      const link = await openLink();
      // By which the other one knows it: FAILOVER TO names it, and it is followed there.
      const announced = [
        ["replica-announce-ip", HOST],
        ["replica-announce-port", `${link.port}`],
      ];
      const redis = await startRedisServer({
        moduleArguments: ["isolate-memory-mb", ISOLATE_MEMORY_MB],
        config: [...REDIS_CONFIG, ...announced, ...config],
      });
      link.leadTo(started.adopt(redis, (server) => server.close()).path);
      return { redis, link };
    };
    const master = await startServer();
    const replica = await startServer(following(master));
    const nodeLinks = { node1: await openLink(), node2: await openLink() };
    const start = async (name: "node1" | "node2"): Promise<NodeProcess> => {
      nodeLinks[name].leadTo(master.redis.path);
      const settings = { ...NODE_SETTINGS, LOCUS_REDIS_HOST: HOST, LOCUS_REDIS_PORT: `${nodeLinks[name].port}` };
      const node = await NodeProcess.start({ settings, logPath: join(directory, `${name}.log`) });
      return started.adopt(node, (one) => one.end("SIGKILL"));
    };
    const nodes = { node1: await start("node1"), node2: await start("node2") };
    const resources = started.move();
    const cluster = new Cluster({ master, replica }, nodes, nodeLinks);
    cluster.close = () => resources.disposeAsync();
    return cluster;
  }

  /** Ends all of it and removes its folders. Idempotent. */
  close: () => Promise<void> = async () => {};

  get master(): RedisServer {
    return this.#servers.master.redis;
  }

  get replica(): RedisServer {
    return this.#servers.replica.redis;
  }

  /** Each leads to the master. */
  get links(): Readonly<Record<Link, NetworkLink>> {
    return { ...this.#nodeLinks, replica: this.#servers.master.link };
  }

  pidOf(member: Member): number {
    return member === "master" || member === "replica" ? this[member].pid() : this.nodes[member].pid;
  }

  /** Sandbox hosts of the member, one that is only starting included. */
  hostsOf(member: Member): readonly number[] {
    return childrenOf(this.pidOf(member));
  }

  /** Whose commands fail when they have no answer for a while, rather than wait for ever. Of the server that has the role now. */
  client(role: Role): Redis {
    return this[role].client({ commandTimeout: COMMAND_TIMEOUT_MS });
  }

  logsOf(member: Member): string {
    return member === "master" || member === "replica" ? this[member].log() : this.nodes[member].log();
  }

  /** By which FAILOVER TO knows it. */
  addressOf(role: Role): readonly [host: string, port: number] {
    return [HOST, this.#servers[role].link.port];
  }

  /** After the replica was made a master: what led to the old one leads to it. */
  moveOver(): void {
    const { master, replica } = this.#servers;
    this.#servers = { master: replica, replica: master };
    for (const link of Object.values(this.#nodeLinks)) link.leadTo(this.master.path);
  }

  /** Ends the member, and starts it again after `pause`, Redis in the role that it has by then. Resolves when it answers. */
  async restart(member: Member, how: "SIGTERM" | "SIGKILL", pause: () => Promise<void>): Promise<void> {
    if (member === "master" || member === "replica") {
      send(this.pidOf(member), how);
      await pause();
      const follows = member === "master" ? ["replicaof", "no", "one"] : following(this.#servers.master);
      await this[member].restart(how, [follows]);
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

const following = ({ link }: Server): readonly string[] => ["replicaof", HOST, `${link.port}`];
