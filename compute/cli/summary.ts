// What many calls came to: the common output of `batch` and `redisclient`, so that the two can be read side by side.

import { counted } from "#runtime/counted.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import { decimalText, millisecondsText } from "#runtime/figures.ts";
import type { Side } from "#runtime/profile/sample.ts";

/** One call, as far as it can be known where it was made. */
export interface CallRecord {
  readonly elapsedUs: number;
  /** null where it went well. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  /** null for a call that ran nowhere, or where there are no sides. */
  readonly side: Side | null;
  /** null where nobody can say whose they are: calls share rounds. */
  readonly operations: number | null;
  readonly rounds: number | null;
}

export interface Summary {
  readonly calls: number;
  readonly ok: number;
  /** Calls by error code. */
  readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  /** What the first call that failed said. */
  readonly firstError: string | null;
  /** Absent where there are none: outside of locus. */
  readonly sides?: Readonly<Record<Side, number>>;
  readonly seconds: number;
  /** Of each repeat. */
  readonly secondsPerRepeat: readonly number[];
  readonly callsPerSecond: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly operationsPerCall: number | null;
  readonly roundsPerCall: number | null;
  /** Of RESP, both ways. */
  readonly bytesPerCall: number;
}

export class CallTally {
  readonly #elapsedUs: number[] = [];
  readonly #errors: Partial<Record<ErrorCode, number>> = {};
  readonly #sides: Record<Side, number> | null;
  readonly #secondsPerRepeat: number[] = [];
  #firstError: string | null = null;
  #ok = 0;
  #operations: number | null = 0;
  #rounds: number | null = 0;
  #bytes = 0;

  /** `hasSides`: whether the calls run in locus. */
  constructor(hasSides: boolean) {
    this.#sides = hasSides ? { compute: 0, storage: 0 } : null;
  }

  get calls(): number {
    return this.#elapsedUs.length;
  }

  add({ elapsedUs, error, side, operations, rounds }: CallRecord): void {
    this.#elapsedUs.push(elapsedUs);
    if (error === null) this.#ok += 1;
    else {
      this.#errors[error.code] = (this.#errors[error.code] ?? 0) + 1;
      this.#firstError ??= error.message;
    }
    if (side !== null && this.#sides !== null) this.#sides[side] += 1;
    this.#operations = sum(this.#operations, operations);
    this.#rounds = sum(this.#rounds, rounds);
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  endRepeat(seconds: number): void {
    this.#secondsPerRepeat.push(seconds);
  }

  summary(): Summary {
    const { calls } = this;
    const seconds = this.#secondsPerRepeat.reduce((total, one) => total + one, 0);
    const sorted = Float64Array.from(this.#elapsedUs).toSorted();
    const perCall = (total: number): number => (calls === 0 ? 0 : total / calls);
    return {
      calls,
      ok: this.#ok,
      errors: this.#errors,
      firstError: this.#firstError,
      ...(this.#sides === null ? {} : { sides: this.#sides }),
      seconds,
      secondsPerRepeat: this.#secondsPerRepeat,
      callsPerSecond: seconds === 0 ? 0 : calls / seconds,
      p50Us: percentile(sorted, 50),
      p99Us: percentile(sorted, 99),
      operationsPerCall: this.#operations === null ? null : perCall(this.#operations),
      roundsPerCall: this.#rounds === null ? null : perCall(this.#rounds),
      bytesPerCall: perCall(this.#bytes),
    };
  }
}

const sum = (total: number | null, one: number | null): number | null =>
  total === null || one === null ? null : total + one;

/** The nearest rank: the smallest value that at least `percent` of the values do not exceed. null where there is none. */
export const percentile = (sorted: Float64Array, percent: number): number | null =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null;

/** For people. */
export const summaryText = (title: string, summary: Summary): string => {
  const { calls, ok, errors, firstError, sides, seconds, callsPerSecond, p50Us, p99Us } = summary;
  const failures = Object.entries(errors).map(([code, count]) => `${code} ${count}`);
  const places = Object.entries(sides ?? {}).filter(([, count]) => count > 0);
  const perCall = [
    ...(summary.roundsPerCall === null ? [] : [counted(decimalText(summary.roundsPerCall), "round")]),
    ...(summary.operationsPerCall === null ? [] : [counted(decimalText(summary.operationsPerCall), "operation")]),
    counted(decimalText(summary.bytesPerCall), "byte"),
  ];
  const rows = [
    ["calls", failures.length === 0 ? `${calls}` : `${calls}, ${ok} of them ok`],
    ["time", `${decimalText(seconds)} s`],
    ["rate", `${decimalText(callsPerSecond)} calls/s`],
    ["latency", `p50 ${milliseconds(p50Us)}, p99 ${milliseconds(p99Us)}`],
    ["per call", perCall.join(", ")],
    ...(places.length === 0 ? [] : [["sides", places.map(([side, count]) => `${side} ${count}`).join(", ")]]),
    ...(failures.length === 0 ? [] : [["errors", `${failures.join(", ")}; the first: ${firstError}`]]),
  ];
  return [title, ...rows.map(([name, value]) => `  ${name?.padEnd(9)} ${value}`)].join("\n");
};

const milliseconds = (us: number | null): string => (us === null ? "–" : millisecondsText(us));
