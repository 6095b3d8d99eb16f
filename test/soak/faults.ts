// Does what the fault schedule says to the cluster, and writes down to whom and when. What it breaks it mends: when `play`
// has resolved, everything runs that was started, and the network is whole.

import { setTimeout as sleep } from "node:timers/promises";
import { send } from "#bench/harness/processes.ts";
import type { Cluster } from "./cluster.ts";
import { type Fault, LINKS, type Link, type Member, MEMBERS, type Subject, subjectsOf } from "./fault-schedule.ts";
import type { Ledger } from "./ledger.ts";
import { failOver, promoteAfterKill } from "./promotion.ts";

const DELAY_MAX_MS = 60;

export class Faults {
  readonly #cluster: Cluster;
  readonly #ledger: Ledger;
  /** One after another for each subject: what was ended may take longer to come back than the schedule thought. */
  readonly #under = new Map<Subject, Promise<void>>();

  constructor(cluster: Cluster, ledger: Ledger) {
    this.#cluster = cluster;
    this.#ledger = ledger;
  }

  /** Rejects when something that was ended does not come back. */
  async play(faults: readonly Fault[], signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const played = faults.map(async (fault) => {
      await sleep(startedMs + fault.atMs - performance.now(), undefined, { signal });
      const subjects = subjectsOf(fault);
      const before = Promise.all(subjects.map(async (subject) => this.#under.get(subject)));
      const under = before.then(() => this.#happen(fault, signal));
      for (const subject of subjects) this.#under.set(subject, under);
      await under;
    });
    const settled = await Promise.allSettled(played);
    for (const link of LINKS) this.#cluster.links[link].heal();
    if (signal.aborted) return;
    for (const one of settled) if (one.status === "rejected") throw one.reason;
  }

  async #happen(fault: Fault, signal: AbortSignal): Promise<void> {
    const fromMs = performance.now();
    const victim = await this.#do(fault, signal);
    if (victim === null) return;
    this.#ledger.faults.push({ fault, victim, fromMs, untilMs: performance.now() });
    // Nobody has missed the old master since: it is the replica that is away, a fault of its own.
    if (fault.kind === "promote") await this.#happen({ ...fault, kind: "kill", subject: "replica" }, signal);
  }

  /** Resolves when the fault is over, with its victim; null: there was none. */
  #do({ kind, subject, lastsMs, pick }: Fault, signal: AbortSignal): Promise<string | null> {
    const pause = (): Promise<void> => sleep(lastsMs, undefined, { signal });
    if (kind === "kill-host") return this.#happenToHost(memberOf(subject), pick, null);
    if (kind === "stop-host") return this.#happenToHost(memberOf(subject), pick, pause);
    if (kind === "stop") return stopped(this.#cluster.pidOf(memberOf(subject)), pause);
    if (kind === "kill") return this.#restart(memberOf(subject), "SIGKILL", pause);
    if (kind === "end") return this.#restart(memberOf(subject), "SIGTERM", pause);
    if (kind === "failover") return this.#promote(failOver);
    if (kind === "promote") return this.#promote(promoteAfterKill);
    return this.#happenToLink(kind, linkOf(subject), pick, pause);
  }

  /** Without a pause it is killed, else stopped for that long. */
  async #happenToHost(member: Member, pick: number, pause: (() => Promise<void>) | null): Promise<string | null> {
    const hosts = this.#cluster.hostsOf(member);
    const pid = hosts[Math.floor(pick * hosts.length)];
    if (pid === undefined) return null;
    if (pause !== null) return stopped(pid, pause);
    send(pid, "SIGKILL");
    return `pid ${pid}`;
  }

  async #restart(member: Member, how: "SIGKILL" | "SIGTERM", pause: () => Promise<void>): Promise<string> {
    const pid = this.#cluster.pidOf(member);
    await this.#cluster.restart(member, how, pause);
    return `pid ${pid}`;
  }

  /** Its victim is the old master. */
  async #promote(promotion: (cluster: Cluster) => Promise<boolean>): Promise<string | null> {
    const pid = this.#cluster.pidOf("master");
    return (await promotion(this.#cluster)) ? `pid ${pid}` : null;
  }

  async #happenToLink(
    kind: "half-close" | "cut" | "stall" | "slow",
    name: Link,
    pick: number,
    pause: () => Promise<void>,
  ): Promise<string> {
    const link = this.#cluster.links[name];
    if (kind === "half-close") {
      const direction = pick < 0.5 ? "from server" : "to server";
      link.halfClose(direction);
      return direction;
    }
    const delayMs = Math.ceil(pick * DELAY_MAX_MS);
    if (kind === "slow") link.slow(delayMs);
    else link[kind]();
    try {
      await pause();
    } finally {
      link.heal();
    }
    return kind === "slow" ? `${delayMs} ms` : "";
  }
}

async function stopped(pid: number, pause: () => Promise<void>): Promise<string> {
  send(pid, "SIGSTOP");
  try {
    await pause();
  } finally {
    send(pid, "SIGCONT");
  }
  return `pid ${pid}`;
}

const memberOf = (subject: Subject): Member => {
  const member = MEMBERS.find((name) => name === subject);
  if (member === undefined) throw new Error(`${subject} is no process`);
  return member;
};

const linkOf = (subject: Subject): Link => {
  const link = LINKS.find((name) => subject === `link ${name}`);
  if (link === undefined) throw new Error(`${subject} is no link`);
  return link;
};
