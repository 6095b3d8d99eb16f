// What a private engine does to this machine beyond its folder, and that undone: also after one that was killed with its owner, by whoever
// has the next turn. Its containers' addresses would else be taken when another engine gives them away.

import { existsSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand, succeeds } from "../command.ts";

/** In the temporary folder; the rest of the name is chance. */
export const ENGINE_FOLDER = "locus-engine-";
const TIMEOUT_MS = 60_000;
/** A killed process lives until the kernel has buried it. */
const GONE_TRIES = 100;
const GONE_PAUSE_MS = 100;
const PROGRAMS: readonly string[] = ["dockerd", "containerd", "containerd-shim-runc-v2"];
const IP_FORWARD = "/proc/sys/net/ipv4/ip_forward";
/** In an engine's folder. */
const BEFORE = "before.json";
const RULES = "rules";
/** The tables in which an engine writes rules, in the format of iptables-save. */
const EMPTY_TABLES = `*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
COMMIT
`;

/** The machine without the engine. */
interface Before {
  readonly firewall: string;
  readonly ipForward: string;
  readonly bridges: readonly string[];
}

/** Kept in the folder, so that others find it there. */
export async function keepFootprint(folder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const before: Before = {
    firewall: await runCommand(["iptables-save"], { environment, timeoutMs: TIMEOUT_MS }),
    ipForward: readFileSync(IP_FORWARD, "utf8"),
    bridges: await bridgesOf(environment),
  };
  writeFileSync(join(folder, BEFORE), JSON.stringify(before));
}

/** Of all engines that were here: for who has the turn, since nobody else's lives. */
export async function undoFootprints(environment: NodeJS.ProcessEnv): Promise<void> {
  const folders = globSync(`${ENGINE_FOLDER}*`, { cwd: tmpdir() });
  for (const folder of folders) await undoFootprint(join(tmpdir(), folder), environment);
}

/** With the folder. */
export async function undoFootprint(folder: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await killAll(folder);
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const mounted = mounts.map((line) => line.split(" ")[1] ?? "").filter((path) => path.startsWith(`${folder}/`));
  // The innermost first. A namespace that nothing else holds ends with its mount, and its links with it.
  for (const path of mounted.toReversed()) {
    await runCommand(["umount", "--lazy", path], { environment, timeoutMs: TIMEOUT_MS });
  }
  const file = join(folder, BEFORE);
  if (existsSync(file)) await restore(JSON.parse(readFileSync(file, "utf8")) as Before, folder, environment);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}

async function restore({ firewall, ipForward, bridges }: Before, folder: string, environment: NodeJS.ProcessEnv) {
  const own = (await bridgesOf(environment)).filter((bridge) => !bridges.includes(bridge));
  for (const bridge of own) await succeeds(["ip", "link", "delete", bridge], { environment, timeoutMs: TIMEOUT_MS });
  const now = await runCommand(["iptables-save"], { environment, timeoutMs: TIMEOUT_MS });
  const rules = join(folder, RULES);
  writeFileSync(rules, EMPTY_TABLES + firewallWithout(now, firewall, own));
  await runCommand(["iptables-restore", rules], { environment, timeoutMs: TIMEOUT_MS });
  writeFileSync(IP_FORWARD, ipForward);
}

/**
 * What others have written meanwhile stays. An engine has chains of its own, rules that name these or its bridges, one for each container that calls itself by
 * a published port, and policies.
 */
export function firewallWithout(now: string, before: string, bridges: readonly string[]): string {
  const known = before.split("\n");
  const isOurs = (line: string): boolean =>
    !known.includes(line) &&
    (/\bDOCKER\b/.test(line) || HAIRPIN.test(line) || bridges.some((bridge) => line.includes(` ${bridge} `)));
  // ":FORWARD DROP [0:0]"
  const policyOf = (line: string): string => line.replace(/ \[.*/, "");
  const chainOf = (line: string): string => line.split(" ", 1)[0]!;
  const policies = new Map(known.filter(isChain).map((line) => [chainOf(line), policyOf(line)]));
  return now
    .split("\n")
    .filter((line) => !isOurs(line))
    .map((line) => (isChain(line) ? (policies.get(chainOf(line)) ?? policyOf(line)) : line))
    .join("\n");
}

const isChain = (line: string): boolean => line.startsWith(":");
const HAIRPIN = /^-A POSTROUTING -s (\S+) -d \1 .*-j MASQUERADE$/;

/** As an engine names its own: the one that is the default, and those of other networks. */
async function bridgesOf(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const links = await runCommand(["ip", "-brief", "link", "show", "type", "bridge"], {
    environment,
    timeoutMs: TIMEOUT_MS,
  });
  return [...links.matchAll(/^(docker0|br-[0-9a-f]{12})\b/gm)].map(([name]) => name);
}

/** The engine's programs that were started with the folder's name, and all that those have started: containers. */
async function killAll(folder: string): Promise<void> {
  for (let left = GONE_TRIES; left > 0; left--) {
    const pids = processesOf(folder);
    if (pids.length === 0) return;
    for (const pid of pids) killOne(pid);
    await sleep(GONE_PAUSE_MS);
  }
  throw new Error(`what was started in ${folder} does not end`);
}

function processesOf(folder: string): number[] {
  const children = new Map<number, number[]>();
  const found: number[] = [];
  for (const pid of readdirSync("/proc").map(Number).filter(Boolean)) {
    try {
      const [, state, parent] = /\) (\S) (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      if (state === "Z") continue;
      children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid]);
      const [program = "", ...rest] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (PROGRAMS.includes(basename(program)) && rest.some((one) => one.includes(folder))) found.push(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = new Set(found);
  for (const pid of all) for (const child of children.get(pid) ?? []) all.add(child);
  return [...all];
}

function killOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
