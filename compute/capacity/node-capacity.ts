// A node's part in the scheduling of instances: it offers what it has, serves those who have instances here, holds leases for its own calls in a book,
// and schedules for all where it controls. docs/scheduler.md, Nodes of locus.

import { hostname } from "node:os";
import type { Logger } from "pino";
import { LocusError } from "#runtime/errors.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { CapacityClient } from "#scheduler/grpc/capacity-client.ts";
import {
  type CapacityDesk,
  capacityService,
  type ScaledFunction,
  type ServedDesk,
} from "#scheduler/grpc/capacity-service.ts";
import { type Listener, listen } from "#scheduler/grpc/listener.ts";
import { AllowedWrites, nodeCallsService } from "#scheduler/grpc/node-calls-service.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";
import type { NodeDescription } from "#scheduler/node/node.ts";
import { eventLog } from "#scheduler/service/event-log.ts";
import type { PolicyName } from "#scheduler/service/policy-choice.ts";
import type { Controllership } from "../controller/controllership.ts";
import { toLocusError } from "../node/redis-error.ts";
import { NODE_SERVICE_PORT } from "../settings.ts";
import { capacityText, quotaText } from "./capacity-metrics.ts";
import { CapacityLink } from "./capacity-link.ts";
import { ControlledDesk, readEndpoint } from "./controlled-desk.ts";
import { shapeOf } from "./booked-function.ts";
import { type InstanceNode, type InstanceNodeOptions, openInstanceNode } from "./instance-node.ts";
import { LeaseBook } from "./lease-book.ts";
import { endpointOf, NodePeers } from "#scheduler/grpc/node-peers.ts";
import { type ScaleRule, ScaleRules } from "./scale-rules.ts";
import { SharedSecret } from "./shared-secret.ts";

/** Of a beat, or any other question to a scheduler; and of a lease, which may have to be waited for. */
const DESK_TIMEOUT_MS = 2_000;
const LEASE_TIMEOUT_MS = 31_000;
/** How often is looked what people say of functions' instances. */
const RULES_MS = 2_000;
/** Longer than whoever is dead controls. */
const NAMESAKE_MS = 10_000;
/** Of answers that are on their way when the last call has ended. */
const LISTENER_GRACE_MS = 2_000;
/** Who owns the node, for schedulers that speak the contest's protocol: it is not theirs to reserve. */
const OWNER = "locus";

export interface NodeCapacityOptions extends InstanceNodeOptions {
  /** `host:port` of a scheduler that is a process of its own; null: the controller's. */
  readonly schedulerEndpoint: string | null;
  readonly policy: PolicyName;
  /** Of all functions together, where this node schedules; null: as in ControlledDeskOptions. */
  readonly instancesMax: number | null;
  readonly storageThreadsMax: number | null;
  /** null: the usual one, or where that is taken one that is free. */
  readonly port: number | null;
  /** Under which other nodes reach this one; null: as it listens. */
  readonly address: string | null;
  readonly grpc: GrpcConfig;
  readonly controllership: Controllership;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nowMs: () => number;
}

/** What there is once the node listens. */
interface Opened {
  readonly listener: Listener;
  readonly peers: NodePeers;
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly link: CapacityLink;
  /** That the nodes keep in Redis; null: they were given one. */
  readonly sharedSecret: SharedSecret | null;
  /** Of other schedulers. */
  readonly connect: (endpoint: string) => CapacityClient;
}

/** Of the node that controls; of a process apart, which has no name. */
interface OtherScheduler {
  readonly node: string;
  readonly client: CapacityClient;
}

export class NodeCapacity {
  readonly book: LeaseBook;
  readonly #options: NodeCapacityOptions;
  readonly #instances: InstanceNode;
  readonly #rules: ScaleRules;
  readonly #events: ReturnType<typeof eventLog>;
  #opened: Opened | null = null;
  #opening: Promise<void> | null = null;
  #hasFailed = false;
  #controlled: ControlledDesk | null = null;
  #other: OtherScheduler | null = null;
  #isLeaving = false;
  #resigned: Promise<void> | null = null;
  #rulesReadMs = -Infinity;
  /** What was last told of a turn, so that it is told once. */
  #troubled: string | null = null;
  /** Another node that controls, under this one's address. */
  #namesake: { readonly node: string; readonly sinceMs: number } | null = null;

  constructor(options: NodeCapacityOptions) {
    const { controllership, log, nowMs } = options;
    this.#options = options;
    this.book = new LeaseBook({
      nodeId: controllership.node,
      lease: (wanted, signal) => {
        if (this.#opened !== null) return this.#opened.link.lease(wanted, signal);
        return Promise.reject(new LocusError("PEER_UNAVAILABLE", "this node has not reached Redis yet"));
      },
      nowMs,
    });
    this.#events = eventLog((event) => log.info(event, "scheduler"), Date.now);
    this.#rules = new ScaleRules(controllership.commands);
    this.#instances = openInstanceNode(options);
    void this.#node.reserve({ requestId: "", ownerAccountId: OWNER });
    controllership.onTurn((isHeld) => this.#turn(isHeld));
    options.functions.onChange(() => void this.#forgetGone());
  }

  /** Connections to other nodes; null: there are none yet. */
  get peers(): NodePeers | null {
    return this.#opened?.peers ?? null;
  }

  /** Runs the calls whose instance is here; null: the sandbox hosts do, whose isolates instances are. */
  get instances(): Pick<InstanceNode["node"], "run"> | null {
    return this.#options.agents === null ? null : this.#node;
  }

  /** Who gives instances now; null: nobody is known to. */
  get desk(): CapacityDesk | null {
    return this.#controlled?.desk ?? this.#other?.client ?? null;
  }

  /** Of all nodes. Rejects with PEER_UNAVAILABLE where nobody schedules now. */
  async overview(): Promise<CapacityOverview> {
    const { desk } = this;
    if (desk === null) throw new LocusError("PEER_UNAVAILABLE", "no node schedules instances now");
    return desk.overview();
  }

  /** What people have said, by function. Rejects with REDIS_UNAVAILABLE and its kin. */
  async scales(): Promise<ReadonlyMap<string, ScaleRule>> {
    try {
      await this.#rules.read();
      return this.#rules.now;
    } catch (error) {
      throw toLocusError(error, "read what was said of functions' instances");
    }
  }

  /** What is not said stays as it was; null takes back all. Rejects with REDIS_UNAVAILABLE and its kin. */
  async scale(name: string, change: Partial<ScaleRule> | null): Promise<ScaleRule> {
    try {
      return await this.#rules.say(name, change);
    } catch (error) {
      throw toLocusError(error, `keep what was said of ${name}'s instances`);
    } finally {
      this.#opened?.link.hurry();
    }
  }

  metricsText(): string {
    const overview = this.#controlled?.desk.overviewNow() ?? null;
    return capacityText(this.book, this.#node.served, overview) + quotaText(this.#options.agents);
  }

  /** CPU time of calls here that is no sandbox host's, µs. */
  cpuUs(): number {
    return this.#instances.cpuUs();
  }

  /**
   * Takes no new instances, holds none, and schedules no more: whoever gives the controller's lease back then leaves that to another node. Resolves
   * when the calls of other nodes that run here have ended, after `graceMs` at the latest; `resigned` when that may be done.
   */
  leave(graceMs: number): { readonly resigned: Promise<void>; readonly ended: Promise<void> } {
    this.#isLeaving = true;
    this.#resigned ??= this.#resign();
    const ended = this.#resigned.then(() => this.#end(graceMs));
    return { resigned: this.#resigned, ended };
  }

  /** Ends what still runs. Idempotent. */
  async close(): Promise<void> {
    await this.leave(0).ended;
    await this.#instances.driver.close();
    this.#opened?.peers.close();
  }

  /** A call that wants to write asks its caller over the listener: that closes last. */
  async #end(graceMs: number): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([this.#node.drain(), over]);
    clearTimeout(timer);
    await this.#opened?.listener.close(LISTENER_GRACE_MS);
  }

  async #resign(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#opened?.link.leave();
    this.book.close();
    await this.#controlled?.close();
    this.#controlled = null;
    this.#setOther(null);
  }

  /** Never rejects. */
  async #turn(isHeld: boolean): Promise<void> {
    if (this.#isLeaving) return;
    try {
      await this.#readRules();
      // Whoever leaves closes what is open: nothing may be opened behind its back.
      if (this.#isLeaving) return;
      await this.#open();
      if (this.#isLeaving) return;
      if (this.#opened === null || this.#options.schedulerEndpoint !== null) return;
      if (isHeld) await this.#control(this.#opened);
      else await this.#follow(this.#opened);
      this.#troubled = null;
    } catch (error) {
      this.#trouble(toLocusError(error, "take part in scheduling"));
    }
  }

  /** The next turn tries again. That Redis is away is told by others, and passes. */
  #trouble({ code, message }: LocusError): void {
    if (code === "REDIS_UNAVAILABLE" || code === "STORAGE_REFUSED" || message === this.#troubled) return;
    this.#troubled = message;
    this.#options.log.warn({ reason: message }, "this node takes no part in scheduling for now");
  }

  // ── this node as others see it ──

  get #node(): InstanceNode["node"] {
    return this.#instances.node;
  }

  #open(): Promise<void> {
    if (this.#opened !== null || this.#hasFailed) return Promise.resolve();
    this.#opening ??= this.#listen().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #listen(): Promise<void> {
    const { grpc, controllership, schedulerEndpoint, address, offer, log, nowMs } = this.#options;
    const shared =
      grpc.listener.secret === null ? await SharedSecret.open({ redis: controllership.commands, log, nowMs }) : null;
    const secret = shared ?? grpc.listener.secret;
    const writes = new AllowedWrites();
    const services = {
      "nodeservoceproto.NodeService": nodeService(this.#node, writes),
      "locus.NodeCalls": nodeCallsService(writes),
      "locus.Capacity": capacityService(this.#servedDesk()),
    };
    const listener = await this.#listenWith({ ...grpc.listener, secret }, services);
    if (listener === null) return;
    const security = { ...grpc.peer, secret };
    const endpoint = { address: address ?? addressOf(grpc.host), port: listener.port };
    const connect = (at: string): CapacityClient =>
      new CapacityClient({ endpoint: at, security, timeoutMs: DESK_TIMEOUT_MS }, LEASE_TIMEOUT_MS);
    if (schedulerEndpoint !== null) this.#other = { node: "", client: connect(schedulerEndpoint) };
    const link = new CapacityLink({
      book: this.book,
      desk: () => this.desk,
      describe: () => ({
        nodeId: controllership.node,
        ...endpoint,
        memoryMb: offer.memoryMb,
        availableMb: offer.availableMb(),
        cpus: offer.cpus,
        scaled: this.#scaled(),
        scaledVersion: this.#rules.version,
      }),
      hosted: () => this.#node.hosted(),
      log,
      nowMs,
    });
    this.#opened = { listener, peers: new NodePeers(security), endpoint, link, sharedSecret: shared, connect };
    log.info({ node: controllership.node, ...endpoint }, "offers instances");
  }

  /** null: it cannot, which is told. */
  async #listenWith(
    security: GrpcConfig["listener"],
    services: Parameters<typeof listen>[0]["services"],
  ): Promise<Listener | null> {
    const { grpc, port, log } = this.#options;
    const { host } = grpc;
    try {
      return await listen({ host, port: port ?? NODE_SERVICE_PORT, security, services });
    } catch (error) {
      const isTaken = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
      if (port === null && isTaken) return listen({ host, port: 0, security, services });
      this.#hasFailed = true;
      log.error({ reason: (error as Error).message }, "offers no instances: calls run here, without a scheduler");
      return null;
    }
  }

  /** Seldom: people speak seldom. */
  async #readRules(): Promise<void> {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#rulesReadMs < RULES_MS) return;
    this.#rulesReadMs = nowMs;
    await this.#rules.read();
    await this.#forgetGone();
  }

  /** What was said of a function goes with it: whoever controls sees to that. Never rejects. */
  async #forgetGone(): Promise<void> {
    const { controllership, functions, log } = this.#options;
    if (!controllership.isHeld || this.#isLeaving) return;
    try {
      for (const name of await this.#rules.forgetGone(functions)) {
        log.info({ function: name }, "what was said of a function's instances went with it");
      }
    } catch {
      // The next look tries again.
    }
  }

  /** Of those that are deployed, in the current version. */
  #scaled(): readonly ScaledFunction[] {
    const { functions } = this.#options;
    return [...this.#rules.now].flatMap(([name, { min, max }]) => {
      const description = functions.current(name, null);
      return description === undefined ? [] : [{ shape: shapeOf(description), min, max: max ?? 0 }];
    });
  }

  /** The scheduler for others, while this node controls. */
  #servedDesk(): ServedDesk {
    const own = (): ServedDesk => {
      if (this.#controlled !== null) return this.#controlled.desk;
      throw new LocusError("PEER_UNAVAILABLE", "this node does not control, or does no more");
    };
    return {
      beat: async (beat) => own().beat(beat),
      lease: async (wanted, signal) => own().lease(wanted, signal),
      overview: async () => own().overview(),
      takeBack: (nodeId, ids) => this.#controlled?.desk.takeBack(nodeId, ids),
    };
  }

  // ── who schedules ──

  async #control({ link, peers, endpoint, sharedSecret }: Opened): Promise<void> {
    const { controllership, policy, instancesMax, storageThreadsMax, log } = this.#options;
    if (this.#controlled !== null) return;
    const controlled = await ControlledDesk.open({
      redis: controllership.commands,
      write: (key, text) => controllership.write(key, text),
      endpoint: { node: controllership.node, ...endpoint },
      sharedSecret,
      policy,
      instancesMax,
      storageThreadsMax,
      observer: this.#events,
      connect: (node: NodeDescription) => (node.id === controllership.node ? this.#node : peers.at(node)),
      log,
    });
    if (this.#isLeaving || !controllership.isHeld) return await controlled.close();
    this.#controlled = controlled;
    this.#setOther(null);
    log.info({ node: controllership.node, policy }, "this node schedules instances");
    link.hurry();
  }

  async #follow({ link, connect, endpoint: own }: Opened): Promise<void> {
    const { controllership, log } = this.#options;
    const controlled = this.#controlled;
    this.#controlled = null;
    if (controlled !== null) {
      log.info({ node: controllership.node }, "this node schedules instances no more");
      await controlled.close();
    }
    const { holder, node, commands } = controllership;
    if (holder === null || holder === node || holder === this.#other?.node) return;
    const endpoint = await readEndpoint(commands);
    // Whoever holds the lease has not said yet where it is.
    if (endpoint === null || endpoint.node !== holder || this.#isLeaving) return;
    if (endpoint.address === own.address && endpoint.port === own.port) return this.#meetsItself(holder, own);
    this.#setOther({ node: holder, client: connect(endpointOf(endpoint.address, endpoint.port)) });
    link.hurry();
  }

  /** Throws where another node goes on controlling under this one's own address; for a while that may be the one that was here before. */
  #meetsItself(holder: string, { address, port }: Opened["endpoint"]): void {
    const nowMs = this.#options.nowMs();
    if (this.#namesake?.node !== holder) this.#namesake = { node: holder, sinceMs: nowMs };
    if (nowMs - this.#namesake.sinceMs < NAMESAKE_MS) return;
    const where = endpointOf(address, port);
    const text = `node ${holder} controls and listens at ${where}, as this one does: other nodes cannot reach loopback; set LOCUS_GRPC_HOST`;
    throw new LocusError("CONFIG_INVALID", text);
  }

  #setOther(other: OtherScheduler | null): void {
    this.#other?.client.close();
    this.#other = other;
    this.book.askAnew();
  }
}

const LOOPBACK = /^(127\.|::1$|localhost$)/;

/** Of who listens on all addresses, the name of this host: in containers other containers find it. */
const addressOf = (host: string): string =>
  LOOPBACK.test(host) || (host !== "0.0.0.0" && host !== "::") ? host : hostname();
