// The functions that a soak calls: each with what a call of it must write and answer, and with what it may end when
// nothing is broken. Every write of a call is one element of a list of its own, so that one that is lost, made twice, or
// made out of order can be seen.

import type { ErrorCode } from "#runtime/errors.ts";
import type { Invocation } from "#runtime/function/define.ts";
import type { Limits } from "#runtime/function/description.ts";

export interface WorkloadArgs {
  /** Of the call; unique in a run. */
  readonly id: string;
  /** For functions that wait or compute. */
  readonly ms: number;
  /** The first of the numbers that `soak-read` reads. */
  readonly first: number;
}

export interface WorkloadFunction {
  /** Sent as text: it sees nothing of this file. It writes `"1"`, `"2"`, … to the list `soak:w:ID`. */
  readonly run: (invocation: Invocation<WorkloadArgs>) => unknown;
  readonly limits: Partial<Limits>;
  /** How many writes a call makes. */
  readonly writes: number;
  /** The result of a call that ended well. */
  readonly result: (args: WorkloadArgs) => unknown;
  /** How it ends when nothing is broken and it has the time: "ok", an error code, or one of several. */
  readonly ends: readonly ("ok" | ErrorCode)[];
  /** How long a call takes by itself, where it waits. */
  readonly takesMs?: (args: WorkloadArgs) => number;
  /** May take its sandbox host with it, and what others run there. */
  readonly endsHosts?: true;
  /** Of the calls, relative to the others'. */
  readonly weight: number;
}

export type WorkloadFunctions = Readonly<Record<string, WorkloadFunction>>;

/** Redis keys: numbers that functions read, and what calls write. */
export const NUMBERS = 100;
export const numberKey = (index: number): string => `soak:number:${index}`;
export const numberAt = (index: number): number => index * index + 1;
export const WRITTEN_PREFIX = "soak:w:";

/** How many numbers `soak-read` reads. */
const READS = 12;
const sumOf = ({ first }: WorkloadArgs): number =>
  Array.from({ length: READS }, (_, index) => numberAt((first + index) % NUMBERS)).reduce((sum, one) => sum + one, 0);

const DEADLINE_MS = 2_000;
const usual = { limits: { deadlineMs: DEADLINE_MS }, result: ({ id }: WorkloadArgs) => id, ends: ["ok"] } as const;

export const WORKLOAD: WorkloadFunctions = {
  "soak-read": {
    ...usual,
    weight: 20,
    writes: 0,
    result: (args) => ({ id: args.id, sum: sumOf(args) }),
    run: async ({ redis, args }) => {
      let sum = 0;
      for (let index = 0; index < 6; index++)
        sum += Number(await redis.get(`soak:number:${(args.first + index) % 100}`));
      const rest = [6, 7, 8, 9, 10, 11].map((index) => redis.get(`soak:number:${(args.first + index) % 100}`));
      for (const number of await Promise.all(rest)) sum += Number(number);
      return { id: args.id, sum };
    },
  },
  "soak-write-once": {
    ...usual,
    weight: 20,
    writes: 1,
    run: async ({ redis, args }) => {
      await redis.rpush(`soak:w:${args.id}`, "1");
      return args.id;
    },
  },
  "soak-write-several": {
    ...usual,
    weight: 15,
    writes: 5,
    run: async ({ redis, args }) => {
      for (let number = 1; number <= 5; number++) await redis.rpush(`soak:w:${args.id}`, String(number));
      return args.id;
    },
  },
  "soak-write-together": {
    ...usual,
    weight: 10,
    writes: 8,
    run: async ({ redis, args }) => {
      await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((number) => redis.rpush(`soak:w:${args.id}`, String(number))));
      return args.id;
    },
  },
  "soak-write-unawaited": {
    ...usual,
    weight: 5,
    writes: 3,
    run: ({ redis, args }) => {
      for (const number of ["1", "2", "3"]) void redis.rpush(`soak:w:${args.id}`, number);
      return args.id;
    },
  },
  // Ends of hosts fall into the wait more often than not: before the write it is run again, after it never.
  "soak-wait-then-write": {
    ...usual,
    weight: 12,
    writes: 1,
    takesMs: ({ ms }) => ms,
    run: async ({ redis, args }) => {
      await redis.get("soak:number:1");
      await new Promise((resolve) => setTimeout(resolve, args.ms));
      await redis.rpush(`soak:w:${args.id}`, "1");
      return args.id;
    },
  },
  "soak-write-then-wait": {
    ...usual,
    weight: 12,
    writes: 2,
    takesMs: ({ ms }) => ms,
    run: async ({ redis, args }) => {
      await redis.rpush(`soak:w:${args.id}`, "1");
      await new Promise((resolve) => setTimeout(resolve, args.ms));
      await redis.rpush(`soak:w:${args.id}`, "2");
      return args.id;
    },
  },
  "soak-compute": {
    ...usual,
    weight: 5,
    writes: 0,
    run: ({ args }) => {
      const until = performance.now() + args.ms / 20;
      while (performance.now() < until);
      return args.id;
    },
  },
  "soak-never": {
    ...usual,
    limits: { deadlineMs: 800 },
    weight: 3,
    writes: 1,
    ends: ["DEADLINE_EXCEEDED"],
    run: async ({ redis, args }) => {
      await redis.rpush(`soak:w:${args.id}`, "1");
      await new Promise(() => {});
    },
  },
  "soak-spin": {
    ...usual,
    limits: { deadlineMs: 300 },
    weight: 2,
    writes: 1,
    ends: ["DEADLINE_EXCEEDED", "CPU_LIMIT"],
    run: async ({ redis, args }) => {
      await redis.rpush(`soak:w:${args.id}`, "1");
      for (;;);
    },
  },
  "soak-leak": {
    ...usual,
    limits: { deadlineMs: DEADLINE_MS, memoryMb: 16 },
    weight: 1.5,
    writes: 1,
    // The last one: by the leak of another call, in the isolate that they share.
    ends: ["MEMORY_LIMIT", "DEADLINE_EXCEEDED", "SANDBOX_DIED"],
    endsHosts: true,
    run: async ({ redis, args }) => {
      await redis.rpush(`soak:w:${args.id}`, "1");
      await new Promise((resolve) => setTimeout(resolve, args.ms));
      const held: unknown[] = [];
      for (;;) held.push(Array.from({ length: 1_000 }, () => ({})));
    },
  },
  // V8 gives up on this one, and the process with it.
  "soak-crash": {
    ...usual,
    weight: 0.4,
    writes: 0,
    ends: ["MEMORY_LIMIT", "DEADLINE_EXCEEDED"],
    endsHosts: true,
    run: () => "x".repeat(5e8).split("").length,
  },
};

/** So many functions in all: each of these under several names, called as often together as it would be alone. */
export function inCopies(functions: WorkloadFunctions, count: number): WorkloadFunctions {
  const own = Object.entries(functions);
  return Object.fromEntries(
    Array.from({ length: Math.max(count, own.length) }, (_, index) => {
      const [name, one] = own[index % own.length]!;
      return [index < own.length ? name : `${name}-${Math.floor(index / own.length)}`, one] as const;
    }),
  );
}

/** Without those that break what others run in: with them alone, nothing fails that is not broken from outside. */
export const harmless = (functions: WorkloadFunctions): WorkloadFunctions =>
  Object.fromEntries(Object.entries(functions).filter(([, { endsHosts }]) => endsHosts !== true));

/** What a call must leave in its list. */
export const expectedWrites = ({ writes }: WorkloadFunction): readonly string[] =>
  Array.from({ length: writes }, (_, index) => String(index + 1));

export const bundleOf = (name: string, { run, limits }: WorkloadFunction): string =>
  `export default { kind: "locus.function", name: "${name}", limits: ${JSON.stringify(limits)}, run: ${run.toString()} };\n`;
