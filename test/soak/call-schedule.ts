// What is called in an episode, when and by which way: drawn from the seed and the episode's number alone. Pure;
// `workload.ts` does it. Calls come when they come, however many are under way: a load that waits for answers would spare
// what is broken.

import { seededRandom } from "#runtime/seeded-random.ts";
import { between, mix, type Member } from "./fault-schedule.ts";
import { NUMBERS, type WorkloadArgs, type WorkloadFunctions } from "./functions.ts";

/** `http` and `batch` go through a node's gateway and ask for a side, or for none; `call` is LOCUS.CALL over a connection to Redis. */
type Way = "http" | "http compute" | "http storage" | "batch" | "batch compute" | "batch storage" | "call";

export interface ScheduledCall {
  readonly function: string;
  readonly args: WorkloadArgs;
  readonly way: Way;
  /** Who answers. */
  readonly target: Member;
  readonly atMs: number;
  /** Asked for by the caller; null: the function's own. */
  readonly deadlineMs: number | null;
  /** The caller goes away so long after it has sent the call; null: it waits. */
  readonly leavesAfterMs: number | null;
}

/** Lines of a batch travel together; another call is alone. They differ in their args alone. */
export type Shipment = readonly [ScheduledCall, ...ScheduledCall[]];

interface Load {
  readonly seed: number;
  readonly episode: number;
  readonly durationMs: number;
  readonly callsPerSecond: number;
}

const BATCH_LINES = 6;
const DEADLINES_MS = [250, 800, 1_500, null] as const;
const ROUTES: readonly { readonly way: Way; readonly targets: readonly Member[]; readonly weight: number }[] = [
  { way: "http", targets: ["node1", "node2"], weight: 20 },
  { way: "http compute", targets: ["node1", "node2"], weight: 20 },
  { way: "http storage", targets: ["node1", "node2"], weight: 15 },
  { way: "batch", targets: ["node1", "node2"], weight: 2 },
  { way: "batch compute", targets: ["node1", "node2"], weight: 2 },
  { way: "batch storage", targets: ["node1", "node2"], weight: 2 },
  { way: "call", targets: ["master"], weight: 30 },
  { way: "call", targets: ["replica"], weight: 8 },
];
/** Of 100 callers so many do not wait for their answer. */
const LEAVING_PERCENT = 3;
const WAIT_MS = [5, 700] as const;

export function callSchedule(
  { seed, episode, durationMs, callsPerSecond }: Load,
  functions: WorkloadFunctions,
): readonly Shipment[] {
  const random = seededRandom(mix(seed, episode, 2));
  const names = Object.keys(functions);
  const nameAt = weighted(names, (name) => functions[name]?.weight ?? 0);
  const routeAt = weighted(ROUTES, ({ weight }) => weight);
  let count = 0;
  const callLike = (first: Omit<ScheduledCall, "args">): ScheduledCall => ({
    ...first,
    args: {
      id: `${seed}-${episode}-${count++}`,
      ms: Math.round(between(WAIT_MS, random())),
      first: Math.floor(random() * NUMBERS),
    },
  });
  const shipments: Shipment[] = [];
  const gapMs = 1_000 / callsPerSecond;
  for (let atMs = 0; atMs < durationMs; atMs += -Math.log(1 - random()) * gapMs) {
    const { way, targets } = routeAt(random());
    const first = {
      function: nameAt(random()),
      way,
      target: targets[Math.floor(random() * targets.length)] ?? "master",
      atMs: Math.round(atMs),
      // LOCUS.CALL has no deadline but the function's own.
      deadlineMs: way === "call" ? null : (DEADLINES_MS[Math.floor(random() * DEADLINES_MS.length)] ?? null),
      leavesAfterMs: random() * 100 < LEAVING_PERCENT ? Math.round(between(WAIT_MS, random())) : null,
    };
    const others = way.startsWith("batch") ? BATCH_LINES - 1 : 0;
    shipments.push([callLike(first), ...Array.from({ length: others }, () => callLike(first))]);
  }
  return shipments;
}

/** A number from 0 to 1 chooses one, the likelier the heavier. */
function weighted<Item>(items: readonly Item[], weightOf: (item: Item) => number): (random: number) => Item {
  const total = items.reduce((sum, item) => sum + weightOf(item), 0);
  return (random) => {
    let left = random * total;
    const found = items.find((item) => (left -= weightOf(item)) < 0) ?? items.at(-1);
    if (found === undefined) throw new Error("there is nothing to choose from");
    return found;
  };
}
