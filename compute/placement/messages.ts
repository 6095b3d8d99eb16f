// What nodes tell each other about placement, as text: windows up to the controller, changes of the plan down from it, questions.
// Whoever may publish in Redis may have written them, so every one is checked before anything of it is believed; what is no such
// message is null.

import { Type, type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import {
  BACK_CPU_US_MAX,
  OVERFLOW_MAX,
  placeOf,
  PLACEMENT_STATES,
  PROBE_EVERY_MAX,
  type Placement,
  type Plan,
} from "#runtime/placement/plan.ts";
import { BUCKETS } from "#runtime/profile/histogram.ts";
import { TALLIED_FUNCTIONS_MAX, TALLY_TERMS, type Tally } from "#runtime/profile/tally.ts";

/** Of one message: 4,096 functions on two sides, each with a few hundred bytes of sums. */
const TEXT_LENGTH_MAX = 8 * 1024 * 1024;

const name = Type.String({ pattern: NAME_PATTERN.source });
const amount = Type.Number({ minimum: 0, maximum: 1e15 });
/** The square of five minutes in µs, over more calls than there are. */
const sum = Type.Number({ minimum: 0, maximum: 1e30 });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const side = Type.Union([Type.Literal("compute"), Type.Literal("storage")]);

const placement = Type.Object({
  state: Type.Enum([...PLACEMENT_STATES]),
  share: Type.Number({ minimum: 0, maximum: 1 }),
  probeEvery: Type.Integer({ minimum: 0, maximum: PROBE_EVERY_MAX }),
  backCpuUs: Type.Integer({ minimum: 0, maximum: BACK_CPU_US_MAX }),
  overflowMin: Type.Integer({ minimum: 0, maximum: OVERFLOW_MAX }),
  overflowTimes: Type.Number({ minimum: 0, maximum: OVERFLOW_MAX }),
  fromShare: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
});

const tally = Type.Object({
  function: name,
  version: Type.String({ maxLength: 64 }),
  side,
  sums: Type.Array(sum, { minItems: TALLY_TERMS.length, maxItems: TALLY_TERMS.length }),
  elapsed: Type.Array(amount, { maxItems: 2 * BUCKETS }),
});

const inFlight = Type.Integer({ minimum: 0, maximum: OVERFLOW_MAX });

const seen = {
  stretchMs: amount,
  tallies: Type.Array(tally, { maxItems: 2 * TALLIED_FUNCTIONS_MAX }),
  /** Calls of functions for which there was no room. */
  untracked: count,
  /** Calls under way at the end of it, waiting ones included. */
  inFlight,
};

/** What the module saw of calls that came without a node. */
const directWindow = Type.Object({
  ...seen,
  /** Of all windows that were taken since the module was loaded, by anybody. An older module does not tell, nor any other that is optional here. */
  number: Type.Optional(count),
  /** From the end of the window before until the first of its calls ended. */
  restMs: Type.Optional(amount),
  tallies: Type.Array(
    Type.Object({
      ...tally.properties,
      /** At its end, of the function's calls those whose side the module has chosen, wherever they are; without: none. */
      chosenInFlight: Type.Optional(inFlight),
    }),
    { maxItems: TALLIED_FUNCTIONS_MAX },
  ),
});

const cores = Type.Union([Type.Number({ minimum: 0, maximum: 4_096 }), Type.Null()]);

/** What one node saw in a stretch of time, and what it is. */
const window = Type.Object({
  node: Type.String({ minLength: 1, maxLength: 64 }),
  ...seen,
  machine: Type.Object({
    /** The same for all processes on one machine, containers included. */
    id: Type.String({ maxLength: 64 }),
    /** That the node may use, by number. */
    cpus: Type.Array(Type.Integer({ minimum: 0, maximum: 65_535 }), { maxItems: 4_096 }),
    /** That it may use at once: fewer where a quota says so. */
    cores: Type.Number({ exclusiveMinimum: 0, maximum: 4_096 }),
  }),
  /** That the node itself kept busy, its sandbox hosts apart; null: it was at rest before, and nobody looked when it began. */
  nodeCores: cores,
  /** The same of its sandbox hosts; null also where these did not run the calls of the node, and no others. */
  hostCores: cores,
});

/** What changed in the plan since the one of version `base`. */
const planChange = Type.Object({
  version: count,
  base: count,
  placements: Type.Record(name, placement, { additionalProperties: false }),
  removed: Type.Array(name),
});

/** null asks about all. */
const question = Type.Object({
  id: count,
  node: Type.String({ minLength: 1, maxLength: 64 }),
  function: Type.Union([name, Type.Null()]),
});

const SIDE_CONSTANTS = [
  "callWaitUs",
  "enterUs",
  "operationWaitUs",
  "roundWaitUs",
  "callUs",
  "operationUs",
  "roundUs",
  "byteUs",
  "nodeCallUs",
  "redisCallUs",
  "redisOperationUs",
  "redisRoundUs",
  "redisByteUs",
] as const;
const constantsNamed = <Name extends string>(...names: readonly Name[]) =>
  Type.Object(Object.fromEntries(names.map((one) => [one, amount])) as Record<Name, typeof amount>);

export const costConstants = Type.Object({
  compute: constantsNamed(...SIDE_CONSTANTS, "bytesPerUs"),
  storage: constantsNamed(...SIDE_CONSTANTS, "cpuRatio", "found"),
});

export type Machine = Static<typeof window>["machine"];
/** What is written is not changed by who reads it. */
export type SampleWindow = Omit<Static<typeof window>, "tallies"> & { readonly tallies: readonly Tally[] };
export type DirectWindow = Omit<Static<typeof directWindow>, "tallies"> & {
  readonly tallies: readonly (Tally & { readonly chosenInFlight?: number })[];
};
export type PlanChange = Static<typeof planChange>;
export type Question = Static<typeof question>;
export function reader<Schema extends TSchema>(schema: Schema): (text: string) => Static<Schema> | null {
  const compiled = Compile(schema);
  return (text) => {
    if (text.length > TEXT_LENGTH_MAX) return null;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return null;
    }
    return compiled.Check(value) ? value : null;
  };
}

export const readWindow: (text: string) => SampleWindow | null = reader(window);
export const readDirectWindow: (text: string) => DirectWindow | null = reader(directWindow);
export const readPlanChange = reader(planChange);
export const readPlacement: (text: string) => Placement | null = reader(placement);
export const readQuestion = reader(question);
export const readConstants: (text: string) => CostConstants | null = reader(costConstants);

/** What Redis keeps of a change: names of functions and their placements, in turn. */
export const fieldsOf = ({ placements }: PlanChange): string[] =>
  Object.entries(placements).flatMap(([one, its]) => [one, JSON.stringify(its)]);

/** As the module is told it: it tells nobody why a call runs where it does. */
export const planText = ({ version, placements }: Plan): string => {
  const told = Array.from(placements, ([one, its]) => [one, placeOf(its)] as const);
  return JSON.stringify({ version, placements: Object.fromEntries(told) });
};
