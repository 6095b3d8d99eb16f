// What the controller answers to questions: of all functions, or why one is where it is. It comes over a channel of Redis, so it is
// held to its form and to bounds before the gateway and the tools believe it.

import { Type, type Static, type TProperties } from "typebox";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import { CONSTANTS_SOURCES, type ConstantsSource, type CostConstants } from "#runtime/placement/cost-model.ts";
import type { Explanation } from "#runtime/placement/explanation.ts";
import { TRANSITIONS_MAX } from "#runtime/placement/kept-transitions.ts";
import type { Outlook } from "#runtime/placement/optimal-shares.ts";
import { PLACEMENT_STATES, type Placement } from "#runtime/placement/plan.ts";
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
const reason = <Kind extends string, Properties extends TProperties>(kinds: readonly Kind[], properties: Properties) =>
  Type.Object({ kind: Type.Enum([...kinds]), ...properties });

/** As this node knows them. */
const knownWhy = Type.Union([
  reason(["new", "replaced", "pinned", "freed", "closed"], {}),
  reason(["resumed"], { sinceLastMs: orNull(number) }),
  reason(["shifted"], { workTimes: number }),
  reason(["recalled"], { from: number, to: number }),
  reason(["stopped"], { quietMs: number }),
  reason(["waited"], { ms: number }),
  reason(["profiled"], { calls: number }),
  reason(["latency", "overload"], { from: number, to: number, noise: number }),
  reason(["surge"], { from: number, to: number, noise: number, callsPerSecond: number, usualPerSecond: number }),
  reason(["bound"], { p99UnderUs: number, p99Us: number }),
  reason(["reverted"], { promisedUs: number, cameUs: number, ratio: orNull(number), retryInMs: number }),
  reason(["probing"], { side, every: number }),
  reason(["probed"], { side, takesUs: number }),
  reason(["trying"], { side, partner: orNull(name), busierTimes: number }),
  reason(["checking"], { side, partner: orNull(name), ratio: number }),
  reason(["tried"], {
    side,
    partner: orNull(name),
    ratio: orNull(number),
    isKept: Type.Boolean(),
    brokenOff: orNull(Type.Enum(["bounds", "surge", "quiet"])),
  }),
  reason(["slowed"], { side, partner: orNull(name) }),
]);

const KNOWN_KINDS = knownWhy.anyOf.flatMap(({ properties: { kind } }) => kind.enum);
/** Of one that this node does not know. */
const OTHER_NUMBERS_MAX = 8;
const OTHER_TEXT_LENGTH_MAX = 64;

/** Whoever tells it is newer than this node: it is told on with its numbers. One that is known has those of its kind. */
const otherWhy = Type.Object(
  { kind: Type.String({ pattern: `^(?!(?:${KNOWN_KINDS.join("|")})$)[a-z][a-z-]{0,31}$` }) },
  {
    additionalProperties: Type.Union([
      number,
      Type.Boolean(),
      Type.Null(),
      Type.String({ maxLength: OTHER_TEXT_LENGTH_MAX }),
    ]),
    maxProperties: 1 + OTHER_NUMBERS_MAX,
  },
);

const why = Type.Unsafe<Static<typeof knownWhy>>(Type.Union([knownWhy, otherWhy]));

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

const costOnSide = Type.Object({
  cost: Type.Object({
    latencyUs: number,
    aloneUs: number,
    terms: numbers("call", "enter", "cpu", "operations", "rounds", "bytes", "crowd"),
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
  cpuUs: Type.Optional(orNull(number)),
  waitUs: Type.Optional(orNull(number)),
  queueUs: Type.Optional(orNull(number)),
  p50Us: orNull(number),
  p99Us: orNull(number),
  failedShare: orNull(number),
});

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
  flaps: count,
  trials: count,
  held: orNull(Type.Object({ untilMs: time, refutedShare: share, isFirm: Type.Boolean() })),
  demand: orNull(numbers("operations", "rounds", "bytes", "cpuUs")),
  splitExcess: orNull(number),
  sides: orNull(Type.Object({ compute: costOnSide, storage: costOnSide })),
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
      overload: number,
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
