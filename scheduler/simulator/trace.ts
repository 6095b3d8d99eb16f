// A trace: which function was called when, and how long the call ran. In columns, since traces have millions of calls.

/** That a slot's creation takes in the 2023 contest, as its contestants measured it. */
export const CREATE_SLOT_MS = 100;

export interface TraceFunction {
  readonly key: string;
  readonly runtime: string;
  readonly memoryMb: number;
  /** Of an instance, after its slot was created. Policies are not told: they learn it. */
  readonly initMs: number;
  /** 0: none is told. */
  readonly timeoutMs: number;
}

export interface Trace {
  readonly name: string;
  readonly functions: readonly TraceFunction[];
  /** Index into `functions`, by call. */
  readonly functionOf: Int32Array;
  /** Unix time of the first call, ms; 0 where nobody knows. */
  readonly epochMs: number;
  /** ms since the first call; never falling. */
  readonly startMs: Float64Array;
  readonly durationMs: Float64Array;
  /** 200, or the fault that the call came to; then its instance is not fit for another. */
  readonly statusCode: Uint16Array;
}

/** The same calls, each running so many times as long, as it then may. */
export const withDurations = (trace: Trace, factor: number): Trace =>
  factor === 1
    ? trace
    : {
        ...trace,
        name: `${trace.name} × ${factor}`,
        functions: trace.functions.map((one) => ({ ...one, timeoutMs: one.timeoutMs * factor })),
        durationMs: trace.durationMs.map((durationMs) => durationMs * factor),
      };
