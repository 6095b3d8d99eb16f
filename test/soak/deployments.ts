// Functions replaced while everything dies: the same function in another version, so that its calls stay what they are. A
// deployment that was acknowledged is a write like any other. The schedule is pure; `Deployments` does it, one after another.

import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "#runtime/seeded-random.ts";
import { toLocusError } from "#compute/node/redis-error.ts";
import { type ErrorCode, isErrorCode } from "#runtime/errors.ts";
import { versionOf } from "#runtime/function/version.ts";
import { aftermath, meets, type Violation } from "./checker.ts";
import type { Cluster } from "./cluster.ts";
import { mix } from "./fault-schedule.ts";
import { bundleOf, type WorkloadFunctions } from "./functions.ts";
import type { FaultRecord, Span } from "./ledger.ts";

interface ScheduledDeployment {
  readonly atMs: number;
  readonly function: string;
  readonly by: "node1" | "node2" | "master";
}

export interface DeploymentRecord extends Span {
  readonly function: string;
  readonly version: string;
  /** `lost`: whoever was asked went away. */
  readonly answer: "ok" | "lost" | { readonly code: ErrorCode | "no code"; readonly message: string };
}

const GAP_MEAN_MS = 4_000;
/** LOAD may take so long: a check in a sandbox host, a connection that comes back. */
const TIMEOUT_MS = 60_000;

export function deploymentSchedule(
  seed: number,
  episode: number,
  durationMs: number,
  functions: WorkloadFunctions,
): readonly ScheduledDeployment[] {
  const random = seededRandom(mix(seed, episode, 3));
  const names = Object.keys(functions);
  const schedule: ScheduledDeployment[] = [];
  const gap = (): number => Math.ceil(-Math.log(1 - random()) * GAP_MEAN_MS);
  for (let atMs = gap(); atMs < durationMs; atMs += gap()) {
    const name = names[Math.floor(random() * names.length)] ?? "";
    schedule.push({
      atMs,
      function: name,
      by: (["node1", "node2", "master"] as const)[Math.floor(random() * 3)] ?? "master",
    });
  }
  return schedule;
}

export class Deployments {
  readonly records: DeploymentRecord[] = [];
  readonly #cluster: Cluster;
  readonly #functions: WorkloadFunctions;
  #count = 0;

  constructor(cluster: Cluster, functions: WorkloadFunctions) {
    this.#cluster = cluster;
    this.#functions = functions;
  }

  /** Every function once, by the master, before there is any fault. Rejects where one is refused. */
  async first(): Promise<void> {
    for (const name of Object.keys(this.#functions)) {
      const { answer } = await this.#deploy({ atMs: 0, function: name, by: "master" });
      if (answer !== "ok") throw new Error(`${name} was refused: ${JSON.stringify(answer)}`);
    }
  }

  /** Resolves when all have been answered, or were given up. */
  async play(schedule: readonly ScheduledDeployment[], signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    for (const deployment of schedule) {
      const waitMs = startedMs + deployment.atMs - performance.now();
      if (waitMs > 1) await sleep(waitMs, undefined, { signal });
      await this.#deploy(deployment);
    }
  }

  /** What `stored` should be: what was acknowledged last, or one that was not and may have come later. Forgets what is settled by it. */
  check(stored: ReadonlyMap<string, string>, faults: readonly FaultRecord[]): readonly Violation[] {
    const violations = checkDeployments(this.records, stored, faults);
    const now = performance.now();
    const settled = [...stored].map(
      ([name, version]) => ({ function: name, version, answer: "ok", fromMs: now, untilMs: now }) as const,
    );
    this.records.splice(0, this.records.length, ...settled);
    return violations;
  }

  async #deploy({ function: name, by }: ScheduledDeployment): Promise<DeploymentRecord> {
    const fn = this.#functions[name];
    if (fn === undefined) throw new Error(`there is no function ${name} in the workload`);
    const bundle = `${bundleOf(name, fn)}// ${++this.#count}\n`;
    const fromMs = performance.now();
    const answer = await (by === "master" ? this.#load(bundle) : this.#put(by, name, bundle));
    const untilMs = performance.now();
    const record = { function: name, version: versionOf(Buffer.from(bundle)), answer, fromMs, untilMs };
    this.records.push(record);
    return record;
  }

  async #load(bundle: string): Promise<DeploymentRecord["answer"]> {
    const client = this.#cluster.master.client({
      commandTimeout: TIMEOUT_MS,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    });
    try {
      await client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", bundle);
      return "ok";
    } catch (error) {
      const isReply = error instanceof Error && error.name === "ReplyError";
      const { code, message } = toLocusError(error, "deploy");
      return isReply ? { code, message } : "lost";
    } finally {
      client.disconnect();
    }
  }

  async #put(node: "node1" | "node2", name: string, bundle: string): Promise<DeploymentRecord["answer"]> {
    try {
      const response = await fetch(`${this.#cluster.nodes[node].url}/v1/functions/${name}`, {
        method: "PUT",
        headers: { "content-type": "application/javascript", connection: "close" },
        body: bundle,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (response.ok) return "ok";
      const { code, detail } = JSON.parse(text) as { readonly code?: string; readonly detail?: string };
      return { code: code !== undefined && isErrorCode(code) ? code : "no code", message: detail ?? text };
    } catch {
      return "lost";
    }
  }
}

/** With what a deployment may end while something is broken. */
const DISTURBED: ReadonlySet<string> = new Set<ErrorCode>([
  "OVERLOADED",
  "REDIS_UNAVAILABLE",
  "SANDBOX_DIED",
  "SIDE_UNAVAILABLE",
  "STORAGE_REFUSED",
]);

/** `records` in the order in which they were made; `stored`: the version of each function in the registry. */
export function checkDeployments(
  records: readonly DeploymentRecord[],
  stored: ReadonlyMap<string, string>,
  faults: readonly FaultRecord[],
): readonly Violation[] {
  const violations: Violation[] = records.flatMap((record) => refusalOf(record, faults));
  const isKept = (record: DeploymentRecord): boolean => record.answer === "ok" && !mayBeLost(record, faults);
  for (const name of new Set(records.map((record) => record.function))) {
    const own = records.filter((record) => record.function === name);
    const last = own.findLast(isKept)?.version;
    // One that was not acknowledged may be there, and may have come after one that was.
    const possible = own.filter((record) => !isKept(record) || record.version === last).map(({ version }) => version);
    const found = stored.get(name);
    const isRight = found === undefined ? last === undefined : possible.includes(found);
    if (isRight) continue;
    violations.push({
      rule: "acknowledged writes are there",
      text: `${name} is stored in version ${found ?? "none"}, was acknowledged in ${last ?? "none"}`,
    });
  }
  return violations;
}

function refusalOf(record: DeploymentRecord, faults: readonly FaultRecord[]): readonly Violation[] {
  const { function: name, answer } = record;
  if (answer === "ok") return [];
  const told = answer === "lost" ? answer : `${answer.code} "${answer.message}"`;
  const text = `the deployment of ${name} ended with ${told}`;
  if (answer !== "lost" && !DISTURBED.has(answer.code)) return [{ rule: "errors are typed", text }];
  // It needs the master, a sandbox host, and who was asked: most of what can break.
  if (faults.some((fault) => meets(aftermath(fault), record))) return [];
  return [{ rule: "errors have a cause", text: `${text} while nothing was broken` }];
}

/** What was acknowledged by a master that was killed then may not have reached the replica that took its place. */
const mayBeLost = (record: DeploymentRecord, faults: readonly FaultRecord[]): boolean =>
  faults.some((one) => one.fault.kind === "promote" && meets(one, record));
