// The functions of the 2020 contest's load, made anew from what was published of them: they greet, compute, fill memory or sleep; are dense, sparse or
// periodic; and some are called in a part of the run only. One table of ten, by which the scheduler's habits were found; and others, drawn by a seed.

import { seededRandom } from "#runtime/seeded-random.ts";
import { CONTEST_CPUS_PER_GIB } from "../settings.ts";

export interface Function2020 {
  readonly key: string;
  readonly kind: (typeof KINDS)[number];
  readonly memoryMb: number;
  /** What an instance really uses. */
  readonly usedMb: number;
  /** CPU time ÷ execution time, on a node that has it. */
  readonly cpus: number;
  readonly executionMs: number;
  readonly pattern: (typeof PATTERNS)[number];
  /** Of the run. */
  readonly activeFrom: number;
  readonly activeTo: number;
}

const KINDS = ["hello", "cpu", "memory", "sleep"] as const;
const PATTERNS = ["dense", "sparse", "periodic"] as const;

const of = (
  key: string,
  kind: Function2020["kind"],
  memoryMb: number,
  usedMb: number,
  cpus: number,
  executionMs: number,
  pattern: Function2020["pattern"],
  activeFrom = 0,
  activeTo = 1,
): Function2020 => ({ key, kind, memoryMb, usedMb, cpus, executionMs, pattern, activeFrom, activeTo });

/** Memory and CPU of hello world, compute and sleep are as measured of the contest's `dev_function`s; how many there are of each is chosen. */
export const FUNCTIONS_2020: readonly Function2020[] = [
  of("function_1", "hello", 512, 4.8, 0.02, 1, "dense"),
  of("function_2", "hello", 128, 4.8, 0.02, 1, "sparse"),
  of("function_3", "hello", 256, 4.8, 0.02, 2, "periodic"),
  of("function_4", "cpu", 512, 4.5, 0.33, 80, "dense"),
  of("function_5", "cpu", 256, 4.5, 0.16, 200, "sparse", 0.3, 0.8),
  of("function_6", "cpu", 512, 4.3, 0.33, 600, "periodic"),
  of("function_7", "memory", 512, 180, 0.1, 120, "dense", 0, 0.6),
  of("function_8", "memory", 1_024, 400, 0.2, 300, "sparse", 0.5, 1),
  of("function_9", "sleep", 128, 5.2, 0.01, 50, "dense"),
  of("function_10", "sleep", 256, 5.2, 0.01, 1_000, "sparse", 0.2, 0.9),
];

/** Of drawn functions, all of it chosen: how many, and around the table's what each kind has. */
const COUNT = { min: 8, max: 14 };
const MEMORY_MB = [128, 256, 512, 1_024];
/** Of functions that are not periodic, this part is active for a part of the run, at least so long. */
const PARTLY = { share: 0.5, least: 0.3 };

/** At least one of each kind and pattern, one of them dense and active all the time; the same for the same seed. */
export function drawnFunctions(seed: number): readonly Function2020[] {
  const random = seededRandom(seed);
  const between = (least: number, most: number): number => least + random() * (most - least);
  /** Small ones as often as large ones. */
  const scaled = (least: number, most: number): number => Math.round(least * (most / least) ** random());
  const oneOf = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)]!;
  const count = COUNT.min + Math.floor(random() * (COUNT.max - COUNT.min + 1));
  const firstKind = Math.floor(random() * KINDS.length);
  return Array.from({ length: count }, (_, at): Function2020 => {
    const kind = at < KINDS.length ? KINDS[(firstKind + at) % KINDS.length]! : oneOf(KINDS);
    const pattern = PATTERNS[at] ?? oneOf(PATTERNS);
    const memoryMb = oneOf(MEMORY_MB);
    const isPartly = at > 0 && pattern !== "periodic" && random() < PARTLY.share;
    const active = isPartly ? between(PARTLY.least, 1) : 1;
    const activeFrom = between(0, 1 - active);
    const placed = { key: `function_${at + 1}`, kind, memoryMb, pattern, activeFrom, activeTo: activeFrom + active };
    const gib = memoryMb / 1_024;
    switch (kind) {
      case "hello":
        return { ...placed, usedMb: between(4, 6), cpus: 0.02, executionMs: scaled(1, 4) };
      case "cpu":
        return {
          ...placed,
          usedMb: between(4, 6),
          cpus: between(0.9, 1) * CONTEST_CPUS_PER_GIB * gib,
          executionMs: scaled(50, 1_000),
        };
      case "memory":
        return { ...placed, usedMb: between(0.3, 0.6) * memoryMb, cpus: 0.2 * gib, executionMs: scaled(50, 500) };
      case "sleep":
        return { ...placed, usedMb: between(4, 6), cpus: 0.01, executionMs: scaled(50, 2_000) };
      default:
        return kind satisfies never;
    }
  });
}
