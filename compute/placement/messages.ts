// What nodes, the module and Redis tell each other about placement, as JSON. Any client of Redis
// may have written it, so a message is checked before it is used; an invalid one is read as null.

import { Type, type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { BACK_CPU_US_MAX, OVERFLOW_MAX, PLACEMENT_STATES, PROBE_EVERY_MAX, placeOf } from "#runtime/placement/plan.ts";
import type { Placement, Plan } from "#runtime/placement/plan.ts";
import type { Why } from "#runtime/placement/transition.ts";
import { RECORDED_TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { BUCKETS } from "#runtime/profile/histogram.ts";
import { TALLIED_FUNCTIONS_MAX, TALLY_TERMS, type Tally } from "#runtime/profile/tally.ts";
import type { Answer } from "./answers.ts";

/** 4,096 functions on two sides, each with a few hundred bytes of sums. */
const TEXT_LENGTH_MAX = 8 * 1024 * 1024;

/** null: the text is not JSON of this schema. */
export function reader<Schema extends TSchema>(schema: Schema): (text: string) => Static<Schema> | null {
  const compiled = Compile(schema);
  return (text) => {
    if (text.length > TEXT_LENGTH_MAX) return null;
    try {
      const value: unknown = JSON.parse(text);
      return compiled.Check(value) ? value : null;
    } catch {
      return null;
    }
  };
}

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
/** An object with the keys of the sample, all of which are numbers. */
const numbersLike = <Key extends string>(sample: Readonly<Record<Key, unknown>>, value = Type.Number()) =>
  Type.Object(Object.fromEntries(Object.keys(sample).map((key) => [key, value])) as Record<Key, typeof value>);

const functionName = Type.String({ pattern: NAME_PATTERN.source });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const share = Type.Number({ minimum: 0, maximum: 1 });
const state = Type.Enum([...PLACEMENT_STATES]);
const side = Type.Union([Type.Literal("compute"), Type.Literal("storage")]);
/** What a date can hold, ms. */
const time = Type.Number({ minimum: 0, maximum: 8.64e15 });
const nodeName = Type.String({ minLength: 1, maxLength: 64 });
const amount = Type.Number({ minimum: 0, maximum: 1e15 });
const inFlight = Type.Integer({ minimum: 0, maximum: OVERFLOW_MAX });

const placement = Type.Object({
  state,
  share,
  probeEvery: Type.Integer({ minimum: 0, maximum: PROBE_EVERY_MAX }),
  backCpuUs: Type.Integer({ minimum: 0, maximum: BACK_CPU_US_MAX }),
  overflowMin: inFlight,
  overflowTimes: Type.Number({ minimum: 0, maximum: OVERFLOW_MAX }),
  fromShare: Type.Optional(share),
});

const tally = {
  function: functionName,
  version: Type.String({ maxLength: 64 }),
  side,
  /** At most squares of five minutes in µs, summed over more calls than there are. */
  sums: Type.Array(Type.Number({ minimum: 0, maximum: 1e30 }), {
    minItems: TALLY_TERMS.length,
    maxItems: TALLY_TERMS.length,
  }),
  elapsed: Type.Array(amount, { maxItems: 2 * BUCKETS }),
};

/** Calls that came to Redis without a node, as the module counted them. */
const directWindow = Type.Object({
  stretchMs: amount,
  inFlight,
  tallies: Type.Array(Type.Object(tally), { maxItems: TALLIED_FUNCTIONS_MAX }),
});

/** The kernel supports at most so many. */
export const CPUS_MAX = 4_096;
/** null: unknown. */
const busyCores = orNull(Type.Number({ minimum: 0, maximum: CPUS_MAX }));

/** What one node saw in a stretch of time. */
const window = Type.Object({
  node: nodeName,
  stretchMs: amount,
  /** Calls at the end of it, waiting ones included. */
  inFlight,
  tallies: Type.Array(Type.Object(tally), { maxItems: 2 * TALLIED_FUNCTIONS_MAX }),
  machine: Type.Object({
    /** The same for all processes on one machine, containers included. */
    id: Type.String({ maxLength: 64 }),
    /** Cores that the node may use, by number; and how many at once: fewer under a quota. */
    cpus: Type.Array(Type.Integer({ minimum: 0, maximum: 65_535 }), { maxItems: CPUS_MAX }),
    cores: Type.Number({ exclusiveMinimum: 0, maximum: CPUS_MAX }),
  }),
  /** Isolates that its sandbox host has memory for; null: unknown. */
  isolatesMax: orNull(Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 })),
  /** Cores that the node's process kept busy, and its sandbox hosts. */
  nodeCores: busyCores,
  hostCores: busyCores,
});

/** From the plan of version `base` to that of `version`. */
const planChange = Type.Object({
  version: count,
  base: count,
  placements: Type.Record(functionName, placement, { additionalProperties: false }),
  removed: Type.Array(functionName),
});

/** null asks about all functions. */
const question = Type.Object({ id: count, node: nodeName, function: orNull(functionName) });
/** The asking node passes the controller's answer on. Nobody else can know the question's id. */
const answer = Type.Object({ id: count, answer: Type.Unsafe<Answer["answer"]>(orNull(Type.Object({}))) });

const costConstants = Type.Object({
  compute: numbersLike(DEFAULT_CONSTANTS.compute, amount),
  storage: numbersLike(DEFAULT_CONSTANTS.storage, amount),
});

/** Of any kind, because a newer node may send one that this node does not know. */
const why = Type.Unsafe<Why>(
  Type.Object(
    { kind: Type.String({ pattern: "^[a-z][a-z-]{0,31}$" }) },
    {
      additionalProperties: orNull(Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: 64 })])),
      maxProperties: 8,
    },
  ),
);
/** Without the function's name. */
const transition = { atMs: time, from: state, to: state, fromShare: share, toShare: share, why };
const record = Type.Object({
  moves: count,
  reverts: count,
  trials: count,
  transitions: Type.Array(Type.Object(transition), { maxItems: RECORDED_TRANSITIONS_MAX }),
});

export type Machine = Static<typeof window>["machine"];
export type SampleWindow = Omit<Static<typeof window>, "tallies"> & { readonly tallies: readonly Tally[] };
export type DirectWindow = Omit<Static<typeof directWindow>, "tallies"> & { readonly tallies: readonly Tally[] };
export type PlanChange = Static<typeof planChange>;

export const readWindow: (text: string) => SampleWindow | null = reader(window);
export const readDirectWindow = reader(directWindow);
export const readPlanChange = reader(planChange);
export const readPlacement: (text: string) => Placement | null = reader(placement);
export const readQuestion = reader(question);
export const readAnswer: (text: string) => Answer | null = reader(answer);
export const readConstants: (text: string) => CostConstants | null = reader(costConstants);
const readAnyRecord = reader(record);

/** What Redis keeps of a change: names of functions and their placements, in turn. */
export const fieldsOf = ({ placements }: PlanChange): string[] =>
  Object.entries(placements).flatMap(([name, one]) => [name, JSON.stringify(one)]);

/** For the module, which does not need to know about trials. */
export const planText = ({ version, placements }: Plan): string => {
  const places = Array.from(placements, ([name, one]) => [name, placeOf(one)] as const);
  return JSON.stringify({ version, placements: Object.fromEntries(places) });
};

/** The hash field with a function's record bears its name. */
export const recordText = ({ counters, transitions }: FunctionRecord): string =>
  JSON.stringify({ ...counters, transitions: transitions.map((one) => ({ ...one, function: undefined })) });

export function readRecord(name: string, text: string): FunctionRecord | null {
  const own = readAnyRecord(text);
  if (own === null) return null;
  const { moves, reverts, trials, transitions } = own;
  return {
    counters: { moves, reverts, trials },
    transitions: transitions.map((one) => ({ ...one, function: name })),
  };
}
