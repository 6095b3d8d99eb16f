// What a node counts, as Prometheus reads it (docs/http.md lists the names). Children are looked up once per function
// and side: a call costs two increments.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

import type { ErrorCode } from "#runtime/errors.ts";
import type { Sample } from "#runtime/profile/sample.ts";
import type { CallObserver } from "./invoke.ts";

/** Upper bounds of the latency buckets, s: powers of about 3 from 100 µs to 10 s. */
const LATENCY_BUCKETS_S = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** Read when the metrics are asked for. */
interface NodeGauges {
  readonly inFlight: () => number;
  /** Calls waiting for a connection to the storage side. */
  readonly storageQueueLength: () => number;
  /** Calls waiting for an isolate on the compute side. */
  readonly computeQueueLength: () => number;
  /** The series of functions that are no longer deployed are forgotten: so many there are at most. */
  readonly functionNames: () => readonly string[];
}

interface FunctionMetrics {
  readonly latency: { observe(seconds: number): void };
  readonly calls: Map<string, { inc(): void }>;
}

export class NodeMetrics implements CallObserver {
  readonly #registry = new Registry();
  readonly #calls: Counter<"function" | "side" | "outcome">;
  readonly #refused: Counter<"code">;
  readonly #latency: Histogram<"function" | "side">;
  readonly #functionNames: () => readonly string[];
  readonly #byFunction = { compute: new Map<string, FunctionMetrics>(), storage: new Map<string, FunctionMetrics>() };

  constructor(gauges: NodeGauges) {
    this.#functionNames = gauges.functionNames;
    const registers = [this.#registry];
    this.#calls = new Counter({
      name: "locus_calls_total",
      help: "Calls that a sandbox ran, by function, side and outcome.",
      labelNames: ["function", "side", "outcome"],
      registers,
    });
    this.#refused = new Counter({
      name: "locus_calls_refused_total",
      help: "Calls that ended before a sandbox had them, by error code.",
      labelNames: ["code"],
      registers,
    });
    this.#latency = new Histogram({
      name: "locus_call_seconds",
      help: "From admission by the node to its answer.",
      labelNames: ["function", "side"],
      buckets: LATENCY_BUCKETS_S,
      registers,
    });
    const gauge = (name: string, help: string, read: () => number): Gauge =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge("locus_calls_in_flight", "Calls in this node now.", gauges.inFlight);
    gauge(
      "locus_storage_queue_length",
      "Calls waiting for a connection to the storage side.",
      gauges.storageQueueLength,
    );
    gauge("locus_compute_queue_length", "Calls waiting for an isolate on the compute side.", gauges.computeQueueLength);
  }

  ran(sample: Sample, elapsedUs: number): void {
    const metrics = this.#of(sample);
    metrics.latency.observe(elapsedUs / 1e6);
    let calls = metrics.calls.get(sample.outcome);
    if (calls === undefined) {
      calls = this.#calls.labels(sample.function, sample.side, sample.outcome);
      metrics.calls.set(sample.outcome, calls);
    }
    calls.inc();
  }

  refused(code: ErrorCode): void {
    this.#refused.inc({ code });
  }

  /** The exposition format of Prometheus. */
  text(): Promise<string> {
    this.#keepOnly(new Set(this.#functionNames()));
    return this.#registry.metrics();
  }

  #keepOnly(names: ReadonlySet<string>): void {
    for (const [side, functions] of Object.entries(this.#byFunction)) {
      for (const [name, { calls }] of functions) {
        if (names.has(name)) continue;
        functions.delete(name);
        this.#latency.remove(name, side);
        for (const outcome of calls.keys()) this.#calls.remove(name, side, outcome);
      }
    }
  }

  #of(sample: Sample): FunctionMetrics {
    const functions = this.#byFunction[sample.side];
    const held = functions.get(sample.function);
    if (held !== undefined) return held;
    const metrics = { latency: this.#latency.labels(sample.function, sample.side), calls: new Map() };
    functions.set(sample.function, metrics);
    return metrics;
  }
}
