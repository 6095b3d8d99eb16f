// For whom this node acts besides its function user (docs/storage-module.md, Calls that run on nodes): a sandbox host of its own
// for each, opened when Redis tells that calls of that user might run here, closed when none has come for a while. Its connections
// are the node's own that have taken on that user, so that neither the host nor this file ever holds a secret of anybody else.

import type { Redis } from "ioredis";
import type { Logger } from "pino";

import { LocusError } from "#runtime/errors.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { Supervisor, SupervisorOptions, SupervisorState } from "#runtime/sandbox/supervisor.ts";
import type { Caller } from "./invoker.ts";
import { openBrittleConnection, type RedisAddress, type RedisUser } from "./redis-connection.ts";
import { toLocusError } from "./redis-error.ts";
import { countsOf, NO_SANDBOX, sandboxTotal } from "./sandbox-states.ts";

// Chosen, not measured, all of them.
/** After a refusal nobody asks again for so long. */
const REFUSED_MS = 60_000;
/** Refusals that are remembered; the first of them makes room. */
const REFUSALS_MAX = 256;
/** A user whose calls came within this part of the idle time makes room for nobody, lest two take turns in starting hosts. */
const KEPT_PART = 1 / 30;
/** What a host that is closed has running may go on for so long: nothing is, unless its user's connections were lost. */
const LEAVE_GRACE_MS = 10_000;

interface ActingUsersOptions {
  readonly address: RedisAddress;
  /** Who needs the right `locus.node|act`. */
  readonly nodeUser: RedisUser;
  /** Connections per sandbox host. */
  readonly connections: number;
  readonly sandbox: Omit<SupervisorOptions, "dataSource">;
  readonly usersMax: number;
  readonly idleMs: number;
  readonly log: Pick<Logger, "info" | "warn">;
}

/** What a connection says to belong to an attachment. */
export interface AttachmentKey {
  readonly id: string;
  readonly secret: string;
}

interface ActingHost {
  readonly caller: Caller;
  supervisor: Supervisor | null;
  /** Speaks for the user; null while it is being opened. */
  speaker: Redis | null;
  usedMs: number;
  timer: NodeJS.Timeout | undefined;
}

export class ActingUsers {
  readonly #options: ActingUsersOptions;
  readonly #hosts = new Map<string, ActingHost>();
  /** By user, and until when; `performance.now`. */
  readonly #refused = new Map<string, number>();
  readonly #told = new Set<string>();
  readonly #leaving = new Set<Promise<void>>();
  /** Of those that have been closed. */
  #counts = NO_SANDBOX;
  /** Hosts that have been left and end, with the most that each has said that it used: one that has ended says nothing. */
  readonly #leftCpuUs = new Map<Supervisor, number>();
  #endedCpuUs = 0;
  #isClosed = false;

  constructor(options: ActingUsersOptions) {
    this.#options = options;
  }

  /** Calls of these users would come here if this node acted for them. */
  want(callers: readonly Caller[], attachment: AttachmentKey): void {
    for (const caller of callers) {
      const key = keyOf(caller);
      if (this.#isClosed || this.#hosts.has(key) || this.#isRefused(key) || !this.#hasRoom()) continue;
      const host: ActingHost = { caller, supervisor: null, speaker: null, usedMs: performance.now(), timer: undefined };
      this.#hosts.set(key, host);
      void this.#open(host, attachment);
    }
  }

  /** Throws SIDE_UNAVAILABLE where this node does not act for that user, or not any more. */
  supervisorFor(caller: Caller): Supervisor {
    const host = this.#hosts.get(keyOf(caller));
    if (host === undefined || host.supervisor === null) {
      throw new LocusError("SIDE_UNAVAILABLE", `this node does not act for ${nameOf(caller)}`);
    }
    host.usedMs = performance.now();
    return host.supervisor;
  }

  /** Of those for whom it acts now, in no order. */
  acting(): readonly Caller[] {
    return [...this.#hosts.values()].filter(({ speaker }) => speaker !== null).map(({ caller }) => caller);
  }

  /** Of all their sandbox hosts. */
  state(): SupervisorState {
    const running = [...this.#hosts.values()].flatMap(({ supervisor }) => supervisor?.state() ?? []);
    return sandboxTotal([...running, this.#counts]);
  }

  /** Of all their sandbox hosts, those that were left included, µs: it never falls. */
  cpuUs(): number {
    let us = this.#endedCpuUs;
    for (const [supervisor, knownUs] of this.#leftCpuUs) {
      const leftUs = Math.max(knownUs, supervisor.cpuUs());
      this.#leftCpuUs.set(supervisor, leftUs);
      us += leftUs;
    }
    for (const { supervisor } of this.#hosts.values()) us += supervisor?.cpuUs() ?? 0;
    return us;
  }

  /** Redis closes connections on which nothing is said for long (`timeout`). HELLO is what every user may say. */
  keepAlive(): void {
    for (const { speaker } of this.#hosts.values()) speaker?.call("HELLO").catch(() => {});
  }

  /** The attachment is lost: nobody comes any more. */
  leaveAll(): void {
    for (const host of this.#hosts.values()) this.#leave(host, 0);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.leaveAll();
    await Promise.all(this.#leaving);
  }

  async #open(host: ActingHost, attachment: AttachmentKey): Promise<void> {
    const { caller } = host;
    const { address, nodeUser, connections, sandbox, log } = this.#options;
    try {
      // Before a process is started for it.
      (await this.#act(caller, null)).disconnect();
      if (!this.#isWanted(host)) return;
      host.supervisor = await startSupervisor({
        ...sandbox,
        dataSource: {
          host: address.host,
          port: address.port,
          ...(address.path === null ? {} : { path: address.path }),
          ...(nodeUser.username === null ? {} : { username: nodeUser.username }),
          ...(nodeUser.password === null ? {} : { password: nodeUser.password }),
          database: caller.database,
          actsFor: caller.user,
          connections,
        },
      });
      await host.supervisor.ready();
      const speaker = await this.#act(caller, attachment);
      if (!this.#isWanted(host)) return speaker.disconnect();
      host.speaker = speaker;
      // The user may have been deleted, or lost, or Redis away: no more calls come.
      speaker.on("end", () => this.#leave(host, LEAVE_GRACE_MS));
      host.timer = setTimeout(() => this.#leaveWhenIdle(host), this.#options.idleMs);
      log.info(caller, "acts for a user of Redis");
    } catch (error) {
      if (this.#isWanted(host)) this.#refuse(caller, error);
      this.#leave(host, 0);
    }
  }

  /** A connection of the node's that has taken on the user; with `attachment` it speaks for that user from then on. */
  async #act({ user, database }: Caller, attachment: AttachmentKey | null): Promise<Redis> {
    const { address, nodeUser } = this.#options;
    const connection = await openBrittleConnection({ ...address, database }, nodeUser, "acting");
    try {
      if (attachment !== null) {
        await connection.call("LOCUS.NODE", "ATTACH", attachment.id, attachment.secret, "SPEAKS");
      }
      await connection.call("LOCUS.NODE", "ACT", user);
      return connection;
    } catch (error) {
      connection.disconnect();
      throw error;
    }
  }

  #leaveWhenIdle(host: ActingHost): void {
    const idleMs = host.supervisor?.state().inFlight === 0 ? performance.now() - host.usedMs : 0;
    if (idleMs >= this.#options.idleMs) return this.#leave(host, LEAVE_GRACE_MS);
    host.timer = setTimeout(() => this.#leaveWhenIdle(host), this.#options.idleMs - idleMs);
  }

  /** The connection first: what comes on its way to here is given back. Idempotent. */
  #leave(host: ActingHost, graceMs: number): void {
    if (!this.#isWanted(host)) return;
    const { caller, supervisor, speaker, timer } = host;
    this.#hosts.delete(keyOf(caller));
    clearTimeout(timer);
    speaker?.disconnect();
    if (speaker !== null) this.#options.log.info(caller, "acts no more for a user of Redis");
    if (supervisor === null) return;
    this.#counts = sandboxTotal([this.#counts, countsOf(supervisor.state())]);
    this.#leftCpuUs.set(supervisor, supervisor.cpuUs());
    const left = supervisor.close(graceMs).then(() => {
      this.#endedCpuUs += this.#leftCpuUs.get(supervisor)!;
      this.#leftCpuUs.delete(supervisor);
      this.#leaving.delete(left);
    });
    this.#leaving.add(left);
  }

  #isWanted(host: ActingHost): boolean {
    return this.#hosts.get(keyOf(host.caller)) === host;
  }

  /** Whether one more may be opened; who has not been needed for longest goes. */
  #hasRoom(): boolean {
    if (this.#hosts.size < this.#options.usersMax) return true;
    const before = performance.now() - KEPT_PART * this.#options.idleMs;
    const [longest] = [...this.#hosts.values()]
      .filter(
        ({ speaker, supervisor, usedMs }) => speaker !== null && usedMs < before && supervisor?.state().inFlight === 0,
      )
      .toSorted((one, other) => one.usedMs - other.usedMs);
    if (longest === undefined) return false;
    this.#leave(longest, LEAVE_GRACE_MS);
    return true;
  }

  #isRefused(key: string): boolean {
    return (this.#refused.get(key) ?? 0) > performance.now();
  }

  #refuse(caller: Caller, error: unknown): void {
    const key = keyOf(caller);
    this.#refused.delete(key);
    this.#refused.set(key, performance.now() + REFUSED_MS);
    dropFirst(this.#refused, REFUSALS_MAX);
    const { message } = toLocusError(error, `act for ${nameOf(caller)}`);
    if (!this.#told.has(message))
      this.#options.log.warn({ ...caller, reason: message }, "does not act for a user of Redis");
    this.#told.add(message);
    dropFirst(this.#told, REFUSALS_MAX);
  }
}

const keyOf = ({ user, database }: Caller): string => `${database} ${user}`;

const nameOf = ({ user, database }: Caller): string => `the user "${user}" in database ${database}`;

const dropFirst = (entries: Map<string, number> | Set<string>, sizeMax: number): void => {
  const [first] = entries.keys();
  if (entries.size > sizeMax && first !== undefined) entries.delete(first);
};
