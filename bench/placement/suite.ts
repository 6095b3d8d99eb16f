// The functions that placement is measured with, each with the calls that are made of it. Several chains and walks of different
// weight are functions of their own, so that each is known by itself.

import { basename, join } from "node:path";
import { loadLocalFunction } from "#compute/cli/local-function.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";

export interface SuiteCall {
  readonly argsJson: string;
  readonly keys: readonly string[];
}

/** One function of the suite. */
export interface Workload {
  /** Under which it is deployed. */
  readonly name: string;
  /** Its file, from the repository's folder, named like the function in it. */
  readonly source: string;
  /** Made again and again, in this order. */
  readonly calls: readonly SuiteCall[];
  /** Calls in flight when it runs alone: fewer of a function that takes long, so that a run has enough of them. */
  readonly callers: number;
  /** Instead of its own, which ends none of its calls on a quiet machine; null: its own. */
  readonly deadlineMs: number | null;
  /** Whether its calls differ by their input so much that a stretch of them tells of the stretch. */
  readonly isUneven: boolean;
  /** By call, how much work it is, in means of all (call-works.ts); null: as much as any other, or it is not known. */
  readonly works: ArrayLike<number> | null;
}

/** What the generated graph's ids go up to. */
export interface GraphSpan {
  readonly firstId: number;
  readonly lastId: number;
}

const SEED = 1;
/** Different calls of a function, at most. */
const CALLS = 512;
/** Kayak's window at its start. */
export const CALLERS = 16;
const CALLERS_OF_SLOW = 4;
/** A call that fails ends the benchmark, and several of these share a core that others may keep busy. */
const DEADLINE_OF_SLOW_MS = 30_000;
const KHOP_DEPTH = 5;
/** 2 ms on an AMD EPYC. OWASP's number would take half a second, of which a run would have two. */
const HASH_ITERATIONS = 2_500;
const USERS = 16;
const SIEVE_BELOW = 200_000;
const CHAIN_READS = [1, 4, 16, 64];
const CHAIN_COMPUTE_US = [0, 50, 500];
/** Share of each read among TAO's (USENIX ATC 2013, figure 3), of a hundred; its time ranges are ranges here. */
const TAO_READS = { object: 29, link: 16, count: 12, range: 43 } as const;

const userOf = (index: number): string => `user-${index % USERS}`;
const PASSWORD = "correct horse battery staple";

const drawnNodes = ({ firstId, lastId }: GraphSpan): (() => string) => {
  const random = seededRandom(SEED);
  return () => String(firstId + Math.floor(random() * (lastId - firstId + 1)));
};

const workloadOf = (
  name: string,
  argsOf: (index: number) => unknown,
  {
    keys = [],
    callers = CALLERS,
    deadlineMs = null,
    isUneven = false,
  }: { readonly keys?: readonly string[] } & Partial<Pick<Workload, "callers" | "deadlineMs" | "isUneven">> = {},
): Workload => {
  const calls = Array.from({ length: CALLS }, (_, index) => ({ argsJson: JSON.stringify(argsOf(index)), keys }));
  return { name, source: `functions/${name}.ts`, calls, callers, deadlineMs, isUneven, works: null };
};

/** Dependent reads, then computing. */
export function chainOf(span: GraphSpan, reads: number, computeUs: number): Workload {
  const nodeId = drawnNodes(span);
  const chain = workloadOf("chain", () => ({ nodeId: nodeId(), reads, computeUs }));
  return { ...chain, name: `chain-${reads}x${computeUs}` };
}

/** All of them. The same span gives the same calls. */
export function suiteOver(span: GraphSpan): readonly Workload[] {
  const nodeId = drawnNodes(span);
  return [
    workloadOf("empty", () => null),
    workloadOf("tao", (index) => ({ nodeId: nodeId(), read: taoRead(index), to: nodeId() })),
    workloadOf("score", () => ({ nodeId: nodeId() })),
    workloadOf("top-k", () => ({ nodeId: nodeId() })),
    workloadOf("aggregate", () => ({ nodeId: nodeId() }), { isUneven: true }),
    workloadOf("project", () => ({}), { keys: ["md5"] }),
    workloadOf("pagerank", () => null),
    workloadOf("khop", () => ({ nodeId: nodeId(), depth: KHOP_DEPTH }), { isUneven: true }),
    workloadOf("hash-password", (index) => ({ action: "verify", user: userOf(index), password: PASSWORD })),
    workloadOf("sha256", () => null),
    workloadOf("sieve", () => ({ below: SIEVE_BELOW })),
    workloadOf("md5", () => null, { callers: CALLERS_OF_SLOW, deadlineMs: DEADLINE_OF_SLOW_MS }),
    ...CHAIN_READS.flatMap((reads) => CHAIN_COMPUTE_US.map((computeUs) => chainOf(span, reads, computeUs))),
  ];
}

/** The names do not depend on the graph. */
export const SUITE_NAMES: readonly string[] = suiteOver({ firstId: 1, lastId: 1 }).map(({ name }) => name);

/** Spread over the calls: each hundred has them in these shares. */
function taoRead(index: number): keyof typeof TAO_READS {
  // A step that has no divisor in common with a hundred visits each place once.
  let place = (index * 37) % 100;
  for (const [read, share] of Object.entries(TAO_READS)) {
    place -= share;
    if (place < 0) return read as keyof typeof TAO_READS;
  }
  return "range";
}

/** What `hash-password` needs before it can verify: its own calls, to be made once. */
export const passwordCalls = (): readonly SuiteCall[] =>
  Array.from({ length: USERS }, (_, index) => {
    const args = { action: "create", user: userOf(index), password: PASSWORD, iterations: HASH_ITERATIONS };
    return { argsJson: JSON.stringify(args), keys: [] };
  });

/** By source: to bundle takes tens of ms, and names change more often. */
const bundles = new Map<string, Promise<string>>();

/** Its bundle, under the workload's name and with its deadline. Throws where the function names a side: where it begins would not be locus' doing. */
export async function bundleOf({
  name,
  source,
  deadlineMs,
}: Pick<Workload, "name" | "source" | "deadlineMs">): Promise<Uint8Array> {
  const bundle = await bundles.getOrInsertComputed(source, bundleOfSource);
  const limits = deadlineMs === null ? "" : `,limits:{deadlineMs:${deadlineMs}}`;
  if (limits !== "" && bundle.includes("limits:")) throw new Error(`the bundle of ${source} has limits of its own`);
  return Buffer.from(bundle.replace(nameIn(source), `name:"${name}"${limits}`));
}

const nameIn = (source: string): string => `name:"${basename(source, ".ts")}"`;

async function bundleOfSource(source: string): Promise<string> {
  const file = join(import.meta.dirname, "..", "..", source);
  const { side } = await loadLocalFunction(file);
  if (side !== undefined) {
    throw new Error(
      `${source} names a side, "${side}": a function that is measured names none, so that locus has to find it`,
    );
  }
  const bundle = Buffer.from(await bundleFunction(file)).toString();
  if (!bundle.includes(nameIn(source))) throw new Error(`the bundle of ${file} has no ${nameIn(source)}`);
  return bundle;
}
