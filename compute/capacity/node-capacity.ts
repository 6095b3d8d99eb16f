// A node's part in the scheduling of instances: it offers what it has, serves those who have instances here, holds leases for its own calls in a book,
// and schedules for all where it controls. docs/scheduler.md, Nodes of locus.

import type { Logger } from "pino";
import { LocusError } from "#runtime/errors.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import type { CapacityClient } from "#scheduler/grpc/capacity-client.ts";
import type { CapacityDesk, ScaledFunction, ServedDesk } from "#scheduler/grpc/capacity-desk.ts";
import { endpointOf, type NodePeers } from "#scheduler/grpc/node-peers.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";
import type { NodeDescription } from "#scheduler/node/node.ts";
import { eventLog } from "#scheduler/service/event-log.ts";
import type { PolicyName } from "#scheduler/service/policy-choice.ts";
import type { Controllership } from "../controller/controllership.ts";
import { toLocusError } from "../node/redis-error.ts";
import { capacityText, quotaText } from "./capacity-metrics.ts";
import { CapacityLink } from "./capacity-link.ts";
import { ControlledDesk, readEndpoint } from "./controlled-desk.ts";
import { shapeOf } from "./booked-function.ts";
import { DividedThreads } from "./divided-threads.ts";
import { type InstanceNode, type InstanceNodeOptions, openInstanceNode } from "./instance-node.ts";
import { LeaseBook } from "./lease-book.ts";
import { NodeDoor, type OpenDoor } from "./node-door.ts";
import { type ScaleRule, ScaleRules } from "./scale-rules.ts";
import { StorageIsolates } from "./storage-isolates.ts";

/** What people say of functions' instances is read at the first turn of the lease after so long: every two seconds. */
const RULES_MS = 1_800;
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
  readonly #door: NodeDoor;
  /** Where a scheduler that is a process apart divides them; null: the desk of the node that controls does. */
  readonly #threads: DividedThreads | null;
  /** null: the door is not open yet. */
  #link: CapacityLink | null = null;
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
    const { controllership, schedulerEndpoint, grpc, port, address, storageThreadsMax, log, nowMs } = options;
    const redis = controllership.commands;
    this.#options = options;
    this.book = new LeaseBook({
      nodeId: controllership.node,
      lease: (wanted, signal) => {
        if (this.#link !== null) return this.#link.lease(wanted, signal);
        return Promise.reject(new LocusError("PEER_UNAVAILABLE", "this node has not reached Redis yet"));
      },
      atMost: (name) => this.#rules.now.get(name)?.max ?? null,
      hasIsolates: options.agents === null,
      // The clock of calls.
      nowMs: () => performance.now(),
    });
    this.#events = eventLog((event) => log.info(event, "scheduler"), nowMs);
    this.#rules = new ScaleRules(redis);
    this.#instances = openInstanceNode(options, OWNER);
    this.#door = new NodeDoor({
      instances: this.#node,
      desk: this.#servedDesk(),
      grpc,
      port,
      address,
      redis,
      log,
      nowMs,
    });
    const divided = {
      holder: new StorageIsolates(redis),
      total: storageThreadsMax,
      isHeld: () => controllership.isHeld,
      log,
      nowMs,
    };
    this.#threads = schedulerEndpoint === null ? null : new DividedThreads(divided);
    controllership.onTurn((isHeld) => this.#turn(isHeld));
    options.functions.onChange(() => void this.#forgetGone());
  }

  /** Connections to other nodes; null: there are none yet. */
  get peers(): NodePeers | null {
    return this.#door.opened?.peers ?? null;
  }

  /** Runs the calls whose instance is here; null: the sandbox hosts do, whose isolates instances are. */
  get instances(): Pick<InstanceNode["node"], "run"> | null {
    return this.#options.agents === null ? null : this.#node;
  }

  /** Who gives instances now; null: nobody is known to. */
  get desk(): CapacityDesk | null {
    return this.#ownDesk ?? this.#other?.client ?? null;
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
      this.#link?.hurry();
    }
  }

  metricsText(): string {
    const overview = this.#controlled?.desk.overviewNow() ?? null;
    return capacityText(this.book, this.#node.served, overview) + quotaText(this.#options.agents);
  }

  /** Calls of other nodes that ran here. */
  get served(): number {
    return this.#node.served;
  }

  /** Sandbox hosts here do not run all calls of this node, or others' as well. */
  get sharesHosts(): boolean {
    return this.#options.agents !== null || this.book.isElsewhere || this.#node.isServing;
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
    this.#door.opened?.peers.close();
  }

  /** A call that wants to write asks its caller over the listener: that closes last. */
  async #end(graceMs: number): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([this.#node.drain(), over]);
    clearTimeout(timer);
    await this.#door.opened?.listener.close(LISTENER_GRACE_MS);
  }

  async #resign(): Promise<void> {
    await this.#door.settled();
    await this.#link?.leave();
    this.#threads?.close();
    this.book.close();
    await this.#controlled?.close();
    this.#controlled = null;
    this.#setOther(null);
  }

  /** Never rejects. */
  async #turn(isHeld: boolean): Promise<void> {
    if (this.#isLeaving) return;
    try {
      // First, since all else may wait for a Redis that hangs: another may schedule by now.
      if (!isHeld) await this.#scheduleNoMore();
      await this.#readRules();
      // Whoever leaves closes what is open: nothing may be opened behind its back.
      if (this.#isLeaving) return;
      const door = await this.#door.open();
      if (door === null || this.#isLeaving) return;
      this.#link ??= this.#join(door);
      if (this.#options.schedulerEndpoint !== null) return;
      if (isHeld) await this.#control(door, this.#link);
      else await this.#follow(door, this.#link);
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

  // ── what it says of itself ──

  get #node(): InstanceNode["node"] {
    return this.#instances.node;
  }

  /** Once the door is open. */
  #join({ endpoint, connect }: OpenDoor): CapacityLink {
    const { controllership, schedulerEndpoint, offer, log, nowMs } = this.#options;
    if (schedulerEndpoint !== null) this.#other = { node: "", client: connect(schedulerEndpoint) };
    log.info({ node: controllership.node, ...endpoint }, "offers instances");
    return new CapacityLink({
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
      threads: this.#threads,
      log,
      nowMs,
    });
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
    const { functions, agents } = this.#options;
    return [...this.#rules.now].flatMap(([name, { min, max }]) => {
      const description = functions.current(name, null);
      return description === undefined ? [] : [{ shape: shapeOf(description, agents === null), min, max: max ?? 0 }];
    });
  }

  /** null where this node does not control: by the clock, whether or not the loss has been followed by now. */
  get #ownDesk(): ServedDesk | null {
    return this.#options.controllership.isHeld ? (this.#controlled?.desk ?? null) : null;
  }

  /** The scheduler for others, while this node controls. */
  #servedDesk(): ServedDesk {
    const own = (): ServedDesk => {
      const desk = this.#ownDesk;
      if (desk !== null) return desk;
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

  async #control({ peers, endpoint, sharedSecret }: OpenDoor, link: CapacityLink): Promise<void> {
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

  async #scheduleNoMore(): Promise<void> {
    const { controllership, log } = this.#options;
    const controlled = this.#controlled;
    if (controlled === null) return;
    this.#controlled = null;
    log.info({ node: controllership.node }, "this node schedules instances no more");
    await controlled.close();
  }

  async #follow({ connect, endpoint: own }: OpenDoor, link: CapacityLink): Promise<void> {
    const { holder, node, commands } = this.#options.controllership;
    if (holder === null || holder === node || holder === this.#other?.node) return;
    const endpoint = await readEndpoint(commands);
    // Whoever holds the lease has not said yet where it is.
    if (endpoint === null || endpoint.node !== holder || this.#isLeaving) return;
    if (endpoint.address === own.address && endpoint.port === own.port) return this.#meetsItself(holder, own);
    this.#setOther({ node: holder, client: connect(endpointOf(endpoint.address, endpoint.port)) });
    link.hurry();
  }

  /** Throws where another node goes on controlling under this one's own address; for a while that may be the one that was here before. */
  #meetsItself(holder: string, { address, port }: OpenDoor["endpoint"]): void {
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
    this.book.askAnother();
  }
}
