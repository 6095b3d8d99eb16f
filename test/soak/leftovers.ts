// What processes hold while nobody calls: descriptors, memory files, children, threads, memory, CPU time. Measured when
// everything is quiet, and compared with what it was after the warm-up: what deaths leave behind adds up.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, residentBytesOf, statOf, watchCpu } from "#bench/harness/processes.ts";
import { type Member, MEMBERS } from "./fault-schedule.ts";
import type { Violation } from "./checker.ts";

export interface Holdings {
  readonly pid: number;
  readonly descriptors: number;
  /** Memory files of sandbox hosts. */
  readonly memoryFiles: number;
  readonly hosts: number;
  /** Children that have ended and that nobody has asked after. */
  readonly zombies: number;
  readonly threads: number;
  /** Of that host which has most: one for each isolate that it has had at once, or that never let go of its own. */
  readonly hostThreads: number;
  readonly residentBytes: number;
  readonly hostsResidentBytes: number;
  /** Of one core, with its hosts, over a moment of quiet. */
  readonly cpuShare: number;
}

export type AllHoldings = Readonly<Record<Member, Holdings>>;

const MIB = 1024 * 1024;
/** Of this checkout: others may run theirs on the machine. */
const HOST_PROGRAM = join(import.meta.dirname, "..", "..", "build", "host.mjs");
/** A node's pool of connections grows under load and stays: `LOCUS_STORAGE_CONNECTIONS_MAX` of the cluster, and as much again at the master for each. */
const CONNECTIONS_MAX = 2 * 40;
/** A host costs its supervisor a memory file, a pidfd, a pipe, a socket, a bell, and on the compute side a bell for each lane. */
const DESCRIPTORS_PER_HOST = 5 + 17;
/** Node's pool and Redis' helpers start theirs at the first need; seen: one more or less. */
const THREADS_SLACK = 4;
/** One for each isolate that the cluster's settings have room for; Node's own and ours. Seen: 10 without isolates. */
const HOST_THREADS_MAX = 48 + 16;
/** Heaps of isolates that V8 has not collected yet, beyond those of the warm-up. Seen: 15 MiB. */
const HOST_MEMORY_SLACK_BYTES = 64 * MIB;
/** What Node's and Redis' allocators keep for later. */
const MEMORY_SLACK_BYTES: Readonly<Record<Member, number>> = {
  master: 96 * MIB,
  replica: 96 * MIB,
  node1: 160 * MIB,
  node2: 160 * MIB,
};
/** Quiet processes look around now and then. */
const CPU_SHARE_MAX = 0.5;
/** One that has just been killed is asked after when the next one is. */
const ZOMBIES_MAX = 2;

const QUIET_LOOK_MS = 500;
/** A node that has just begun to control measures for a second what calls cost, and tries again where others were at work: who is left busy stays so. */
const BUSY_LOOKS_MAX = 20;

/** Of the first look in which nobody was busy, or of the last. */
export async function holdingsOf(pidOf: (member: Member) => number): Promise<AllHoldings> {
  let holdings = await lookAt(pidOf);
  for (
    let looks = 1;
    looks < BUSY_LOOKS_MAX && MEMBERS.some((member) => holdings[member].cpuShare > CPU_SHARE_MAX);
    looks++
  ) {
    holdings = await lookAt(pidOf);
  }
  return holdings;
}

async function lookAt(pidOf: (member: Member) => number): Promise<AllHoldings> {
  const groups = MEMBERS.map((member) => [member, [pidOf(member), ...childrenOf(pidOf(member))]] as const);
  const startedMs = performance.now();
  const { cpuUs } = await watchCpu(Object.fromEntries(groups), () => sleep(QUIET_LOOK_MS));
  const tookUs = (performance.now() - startedMs) * 1_000;
  return Object.fromEntries(
    MEMBERS.map((member) => {
      const cpuShare = (cpuUs[member] ?? 0) / tookUs;
      return [member, { ...holdingsOfProcess(pidOf(member)), cpuShare }];
    }),
  ) as Record<Member, Holdings>;
}

function holdingsOfProcess(pid: number): Omit<Holdings, "cpuShare"> {
  const descriptors = readdirSync(`/proc/${pid}/fd`).map((fd) => linkAt(`/proc/${pid}/fd/${fd}`));
  const children = childrenOf(pid);
  const zombies = children.filter((child) => stateOf(child) === "Z");
  const hosts = children.filter((child) => !zombies.includes(child));
  return {
    pid,
    descriptors: descriptors.length,
    memoryFiles: descriptors.filter((target) => target.includes("memfd:locus-host")).length,
    hosts: hosts.length,
    zombies: zombies.length,
    threads: threadsOf(pid),
    hostThreads: Math.max(0, ...hosts.map(threadsOf)),
    residentBytes: residentBytesOf([pid]),
    hostsResidentBytes: residentBytesOf(hosts),
  };
}

/** `baseline` is that of the warm-up. */
export function compareHoldings(baseline: AllHoldings, now: AllHoldings): readonly Violation[] {
  return MEMBERS.flatMap((member) => {
    const [then, held] = [baseline[member], now[member]];
    const too: string[] = [];
    const moreHosts = Math.max(0, held.hosts - then.hosts);
    const descriptorsMax = then.descriptors + CONNECTIONS_MAX + moreHosts * DESCRIPTORS_PER_HOST;
    if (held.descriptors > descriptorsMax)
      too.push(`${held.descriptors} descriptors, after the warm-up ${then.descriptors}`);
    if (held.memoryFiles !== held.hosts) too.push(`${held.memoryFiles} memory files for ${held.hosts} hosts`);
    if (held.hosts === 0) too.push("no sandbox host");
    if (held.zombies > ZOMBIES_MAX) too.push(`${held.zombies} children that have ended`);
    if (held.residentBytes > then.residentBytes + MEMORY_SLACK_BYTES[member])
      too.push(`${mib(held.residentBytes)} MiB resident, after the warm-up ${mib(then.residentBytes)}`);
    if (held.threads > then.threads + THREADS_SLACK)
      too.push(`${held.threads} threads, after the warm-up ${then.threads}`);
    if (held.hostThreads > HOST_THREADS_MAX) too.push(`a sandbox host with ${held.hostThreads} threads`);
    const hostsMax = held.hosts * (then.hostsResidentBytes / then.hosts + HOST_MEMORY_SLACK_BYTES);
    if (held.hostsResidentBytes > hostsMax)
      too.push(
        `${mib(held.hostsResidentBytes)} MiB resident in ${held.hosts} sandbox hosts, after the warm-up ${mib(then.hostsResidentBytes)} in ${then.hosts}`,
      );
    if (held.cpuShare > CPU_SHARE_MAX) too.push(`${held.cpuShare.toFixed(2)} of a core busy while nobody calls`);
    return too.map((text) => ({
      rule: "nothing is left behind" as const,
      text: `${member} (pid ${held.pid}) has ${text}`,
    }));
  });
}

/** Sandbox hosts whose supervisor is gone. One that is only just dying is gone at a second look. */
export const orphanedHosts = (): readonly number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const command = textAt(`/proc/${pid}/cmdline`);
      if (!command.includes(HOST_PROGRAM)) return false;
      return stateOf(pid) !== "Z" && !isSupervisor(parentOf(pid));
    });

const isSupervisor = (pid: number): boolean => /redis-server|valkey-server|node/.test(textAt(`/proc/${pid}/cmdline`));

const mib = (bytes: number): number => Math.round(bytes / MIB);

const stateOf = (pid: number): string => statOf(pid)[0] ?? "";
const parentOf = (pid: number): number => Number(statOf(pid)[1] ?? 0);

/** 0 where the process has gone meanwhile. */
function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

/** Empty where the process has gone meanwhile. */
function textAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
