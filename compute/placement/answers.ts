// What the controller answers to questions: of all functions, or why one is where it is. It comes over a channel of Redis, so it is
// held to its form and to bounds before the gateway and the tools believe it.

import { Type } from "typebox";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import { CONSTANTS_SOURCES, type ConstantsSource, type CostConstants } from "#runtime/placement/cost-model.ts";
import type { Explanation } from "#runtime/placement/explanation.ts";
import type { Outlook } from "#runtime/placement/optimal-shares.ts";
import { PLACEMENT_STATES, type Placement } from "#runtime/placement/plan.ts";
import type { Standing } from "#runtime/placement/standing.ts";
import type { Why } from "#runtime/placement/transition.ts";
import { TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import { costConstants, reader } from "./messages.ts";

/** All functions, and what their shares add up to. */
export interface PlacementOverview {
  readonly planVersion: number;
  /** When the controller last changed the plan, ms of its clock; null: not since it began to control, or none does. */
  readonly decidedMs: number | null;
  /** null: no node controls now, and the last plan holds. */
  readonly controller: string | null;
  /** Nodes that had calls lately. */
  readonly nodes: number | null;
  readonly outlook: Outlook | null;
  /** Cores that sandbox hosts beside Redis get where others keep them from more; null: as many as they want, or nobody knows. */
  readonly hostCores?: number | null | undefined;
  /** Of what the best shares would give by what is known, the part that these do not. */
  readonly regret: number | null;
  readonly constants: CostConstants | null;
  readonly constantsFrom: ConstantsSource | null;
  readonly functions: readonly PlacementSummary[];
}

/** What is known of a function without the controller is its place. */
export type PlacementSummary = Placement &
  Pick<Explanation, "function"> &
  Partial<Omit<Explanation, "function" | keyof Placement>>;

export interface Answer {
  /** Of the question. */
  readonly id: number;
  /** null: nothing is known. */
  readonly answer: Explanation | PlacementOverview | null;
}

/** Of a sentence, or of a name. */
const TEXT_LENGTH_MAX = 1_024;

const number = Type.Number();
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const name = Type.String({ pattern: NAME_PATTERN.source });
const text = Type.String({ maxLength: TEXT_LENGTH_MAX });
const share = Type.Number({ minimum: 0, maximum: 1 });
const side = Type.Union([Type.Literal("compute"), Type.Literal("storage")]);
const state = Type.Enum([...PLACEMENT_STATES]);
const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const numbers = <Name extends string>(...names: readonly Name[]) =>
  Type.Object(Object.fromEntries(names.map((one) => [one, number])) as Record<Name, typeof number>);
/** Of any kind: a newer node may send one that this node does not know. */
const why = Type.Unsafe<Why>(
  Type.Object(
    { kind: Type.String({ pattern: "^[a-z][a-z-]{0,31}$" }) },
    {
      additionalProperties: Type.Union([number, Type.Boolean(), Type.Null(), Type.String({ maxLength: 64 })]),
      maxProperties: 8,
    },
  ),
);

/** As a date can have it. */
const time = Type.Number({ minimum: 0, maximum: 8.64e15 });

/** Of one function. */
export const ownTransition = Type.Object({
  atMs: time,
  from: state,
  to: state,
  fromShare: share,
  toShare: share,
  why,
});
const transition = Type.Object({ function: name, ...ownTransition.properties });

const latencyTerms = { call: number, enter: number, cpu: number, operations: number, rounds: number, bytes: number };

const costOnSide = Type.Object({
  cost: Type.Object({
    latencyUs: number,
    aloneUs: number,
    terms: Type.Object({ ...latencyTerms, crowd: number }),
    computeUs: number,
    storageUs: number,
    redisUs: number,
  }),
  predictedUs: orNull(number),
  measuredUs: orNull(number),
  measuredCallUs: orNull(number),
  error: number,
  calls: number,
  lastMs: orNull(number),
  callsInAll: count,
  sinceMs: orNull(time),
  predictionError: orNull(number),
  cpuUs: orNull(number),
  waitUs: orNull(number),
  queueUs: orNull(number),
  p50Us: orNull(number),
  p99Us: orNull(number),
  failedShare: orNull(number),
});

/** Its members are for people and scripts; no node decides by them. */
const standing = Type.Unsafe<Standing>(Type.Object({ kind: Type.String({ maxLength: 32 }) }));

const explanation = Type.Object({
  function: name,
  version: orNull(text),
  state,
  share,
  probeEvery: count,
  backCpuUs: count,
  overflowMin: count,
  overflowTimes: number,
  rules: Type.Object({
    preferred: orNull(side),
    pinnedShare: orNull(share),
    weight: number,
    p99UnderUs: orNull(number),
  }),
  callsPerSecond: number,
  moves: count,
  reverts: count,
  trials: count,
  demand: orNull(numbers("operations", "rounds", "bytes", "cpuUs")),
  sides: orNull(Type.Object({ compute: costOnSide, storage: costOnSide })),
  difference: orNull(Type.Object({ ...latencyTerms, crowd: number, sum: number })),
  standing: orNull(standing),
  transitions: Type.Array(transition, { maxItems: TRANSITIONS_MAX }),
  reason: text,
});

const overview = Type.Object({
  planVersion: count,
  decidedMs: orNull(time),
  controller: orNull(text),
  nodes: orNull(count),
  outlook: orNull(
    Type.Object({
      utilisation: numbers("compute", "storage", "redis", "storageMachine", "shared", "callers"),
      busiest: number,
      crowded: Type.Boolean(),
      waitUsPerSecond: number,
    }),
  ),
  hostCores: Type.Optional(orNull(number)),
  regret: orNull(number),
  constants: orNull(costConstants),
  constantsFrom: orNull(Type.Enum([...CONSTANTS_SOURCES])),
  functions: Type.Array(explanation, { maxItems: TALLIED_FUNCTIONS_MAX }),
});

export const readAnswer: (text: string) => Answer | null = reader(
  Type.Object({ id: count, answer: Type.Union([explanation, overview, Type.Null()]) }),
);
