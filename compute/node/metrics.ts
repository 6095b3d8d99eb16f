// What a node counts (docs/http.md lists the names). Counting is a look-up and two additions; the text is made when it
// is asked for.

import { clamp } from "#runtime/clamp.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import { exposeHistogram, exposeNumber, exposeNumbers, FUNCTIONS_TOLD_MAX } from "#runtime/exposition.ts";
import { BUCKETS, bucketOf, percentileUs } from "#runtime/profile/histogram.ts";
import type { Sample, Side } from "#runtime/profile/sample.ts";
import { RecentMap } from "#runtime/recent-map.ts";
import type { SupervisorState } from "#runtime/sandbox/supervisor.ts";
import type { CallObserver } from "./invoke.ts";
import type { Caller } from "./invoker.ts";
import { sandboxText } from "./sandbox-metrics.ts";

/** Upper bounds of the latency buckets, µs: powers of about 3 from 100 µs to 10 s. */
const LATENCY_BOUNDS_US = [100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7];

/** Read when the metrics are asked for. */
interface NodeGauges {
  readonly inFlight: () => number;
  /** Calls waiting for a connection to the storage side. */
  readonly storageQueueLength: () => number;
  /** The sandbox hosts of this node. */
  readonly sandbox: () => SupervisorState;
  /** The other users of Redis for whom this node acts. */
  readonly actingFor: () => readonly Caller[];
  /** Of placement, as it stands in the text. */
  readonly placementText: () => string;
  /** Of instances, in the same way. */
  readonly capacityText: () => string;
  /** The series of functions that are no longer deployed are forgotten. */
  readonly isDeployed: (name: string) => boolean;
}

/** One function on one side, since the node started. */
export interface FunctionStats {
  readonly function: string;
  readonly side: Side;
  readonly calls: number;
  readonly failed: number;
  /** How many ended with which code. */
  readonly errors: Readonly<Record<string, number>>;
  /** From admission to answer. A percentile is off by 5 % at most, and never beyond the shortest or the longest. */
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** How invocations ended. */
interface Ended {
  readonly done: number;
  readonly failed: number;
  readonly pushedBack: number;
}

/** A function that refuses its caller's input has done its work. */
const isFailure = (outcome: string): boolean => outcome !== "ok" && outcome !== "CALL_REFUSED";

/** Of one function on one side. */
class CallCounts {
  readonly outcomes = new Map<string, number>();
  readonly latency = new Float64Array(LATENCY_BOUNDS_US.length + 1);
  readonly elapsed = new Uint32Array(BUCKETS);
  elapsedUs = 0;
  #leastUs = Infinity;
  #mostUs = 0;

  add(outcome: string, elapsedUs: number): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.elapsedUs += elapsedUs;
    this.#leastUs = Math.min(this.#leastUs, elapsedUs);
    this.#mostUs = Math.max(this.#mostUs, elapsedUs);
    let bucket = 0;
    while (elapsedUs > (LATENCY_BOUNDS_US[bucket] ?? Infinity)) bucket += 1;
    this.latency[bucket] = (this.latency[bucket] ?? 0) + 1;
    this.elapsed[bucketOf(elapsedUs)]! += 1;
  }

  figures(): Omit<FunctionStats, "function" | "side"> {
    const calls = this.outcomes.values().reduce((sum, count) => sum + count, 0);
    const failed = [...this.outcomes].reduce((sum, [outcome, count]) => sum + (isFailure(outcome) ? count : 0), 0);
    return {
      calls,
      failed,
      errors: Object.fromEntries([...this.outcomes].filter(([outcome]) => outcome !== "ok")),
      meanUs: Math.round(this.elapsedUs / calls),
      p50Us: this.#percentileUs(50),
      p99Us: this.#percentileUs(99),
    };
  }

  /** A bucket's middle may lie beyond all of its calls. */
  #percentileUs(percent: number): number {
    return Math.round(clamp(percentileUs(this.elapsed, percent) ?? 0, this.#leastUs, this.#mostUs));
  }
}

/** Of one function. */
interface FunctionCounts {
  /** null: no call has run there. */
  compute: CallCounts | null;
  storage: CallCounts | null;
  pushedBack: number;
}

export class NodeMetrics implements CallObserver {
  readonly #gauges: NodeGauges;
  readonly #functions = new RecentMap<FunctionCounts>(FUNCTIONS_TOLD_MAX, (counts) => this.#forget(counts));
  readonly #refused = new Map<ErrorCode, number>();
  /** Of functions that are no longer deployed, or had to make room. */
  readonly #forgotten = { done: 0, failed: 0, pushedBack: 0 };

  constructor(gauges: NodeGauges) {
    this.#gauges = gauges;
  }

  ran(sample: Sample, elapsedUs: number): void {
    const counts = this.#countsOf(sample);
    (counts[sample.side] ??= new CallCounts()).add(sample.outcome, elapsedUs);
  }

  pushedBack(sample: Sample): void {
    this.#countsOf(sample).pushedBack += 1;
  }

  refused(code: ErrorCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** Of all functions by name, or of one; none of those that were not called. */
  stats(name: string | null): readonly FunctionStats[] {
    return this.#series()
      .filter((one) => name === null || one.name === name)
      .map(({ name: one, side, counts }) => ({ function: one, side, ...counts.figures() }))
      .toSorted((left, right) => (left.function < right.function ? -1 : left.function > right.function ? 1 : 0));
  }

  text(): string {
    const series = this.#series().map(({ name, side, counts }) => ({ labels: { function: name, side }, counts }));
    const pushedBack = Array.from(this.#functions.entries(), ([name, counts]) => ({
      labels: { function: name },
      value: counts.pushedBack,
    }));
    const ended = this.#ended();
    const { inFlight, storageQueueLength, sandbox, actingFor, placementText, capacityText } = this.#gauges;
    return [
      exposeNumbers(
        "counter",
        "locus_calls_total",
        "Calls that a sandbox ran, by function, side and outcome.",
        series.flatMap(({ labels, counts }) =>
          [...counts.outcomes].map(([outcome, value]) => ({ labels: { ...labels, outcome }, value })),
        ),
      ),
      exposeNumbers(
        "counter",
        "locus_calls_refused_total",
        "Calls that ended before a sandbox had them, by error code.",
        [...this.#refused].map(([code, value]) => ({ labels: { code }, value })),
      ),
      exposeNumbers(
        "counter",
        "locus_calls_pushed_back_total",
        "Calls that were ended at storage, since they were far dearer than others, and run at compute.",
        pushedBack.filter(({ value }) => value > 0),
      ),
      exposeNumbers("counter", "locus_invocations_ended_total", "How invocations ended, on either side.", [
        { labels: { state: "done" }, value: ended.done },
        { labels: { state: "failed" }, value: ended.failed },
        { labels: { state: "pushed-back" }, value: ended.pushedBack },
      ]),
      exposeHistogram(
        "locus_call_seconds",
        "From admission by the node to its answer.",
        LATENCY_BOUNDS_US.map((boundUs) => boundUs / 1e6),
        series.map(({ labels, counts }) => ({ labels, counts: counts.latency, sum: counts.elapsedUs / 1e6 })),
      ),
      exposeNumber("gauge", "locus_calls_in_flight", "Calls in this node now.", inFlight()),
      exposeNumber(
        "gauge",
        "locus_storage_queue_length",
        "Calls waiting for a connection to the storage side.",
        storageQueueLength(),
      ),
      sandboxText(sandbox()),
      exposeNumbers(
        "gauge",
        "locus_acting_for",
        "1 for each other user of Redis whose calls run here, in a sandbox host of its own.",
        actingFor().map(({ user, database }) => ({ labels: { user, database: String(database) }, value: 1 })),
      ),
      placementText(),
      capacityText(),
    ].join("");
  }

  #countsOf({ function: name }: Sample): FunctionCounts {
    return this.#functions.use(name, () => ({ compute: null, storage: null, pushedBack: 0 }));
  }

  /** Of functions that are deployed, the compute side first. */
  #series(): readonly { readonly name: string; readonly side: Side; readonly counts: CallCounts }[] {
    for (const [name, counts] of this.#functions.entries()) {
      if (this.#gauges.isDeployed(name)) continue;
      this.#forget(counts);
      this.#functions.delete(name);
    }
    return (["compute", "storage"] as const).flatMap((side) =>
      Array.from(this.#functions.entries()).flatMap(([name, { [side]: counts }]) =>
        counts === null ? [] : [{ name, side, counts }],
      ),
    );
  }

  #ended(): Ended {
    const ended = { ...this.#forgotten };
    for (const [, counts] of this.#functions.entries()) addEnded(counts, ended);
    return ended;
  }

  #forget(counts: FunctionCounts): void {
    addEnded(counts, this.#forgotten);
  }
}

function addEnded({ compute, storage, pushedBack }: FunctionCounts, sum: { -readonly [Key in keyof Ended]: number }) {
  sum.pushedBack += pushedBack;
  for (const counts of [compute, storage]) {
    for (const [outcome, count] of counts?.outcomes ?? []) sum[isFailure(outcome) ? "failed" : "done"] += count;
  }
}
