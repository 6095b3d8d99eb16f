// What `batch` and `redisclient` both run: a function, over nodes "1" to "count", `repeats` times (AutoLoc's meaning of
// `khop 1 1000`). One rule for arguments, so that the two do the same work.

import { InvalidArgumentError, Option, type Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { jsonValue, wholeNumber } from "./option.ts";

/** Calls of one run, all repeats together: what their latencies may need of memory. */
const CALLS_MAX = 10_000_000;

export interface Workload {
  /** A name; for `redisclient` also a path. */
  readonly function: string;
  readonly repeats: number;
  readonly count: number;
  /** Of every call; `nodeId` is added. */
  readonly args: Readonly<Record<string, unknown>>;
}

export interface WorkloadCall {
  readonly args: Readonly<Record<string, unknown>>;
  readonly keys: readonly [string];
}

/** The call for the n-th node, n from 1: the node's id is its key. */
export const callOf = ({ args }: Pick<Workload, "args">, node: number): WorkloadCall => {
  const nodeId = String(node);
  return { args: { ...args, nodeId }, keys: [nodeId] };
};

/** Options of both programs. */
export interface WorkloadFlags {
  readonly args: Workload["args"];
  readonly json?: boolean;
}

/** Adds the arguments and options that both programs have. */
export const addWorkload = (program: Command): Command =>
  program
    .argument("<repeats>", "times to run it over all nodes", wholeNumber(CALLS_MAX))
    .argument("<count>", 'calls each time, with the node ids "1" to "count"', wholeNumber(CALLS_MAX))
    .addOption(
      new Option("--args <json>", "an object that goes along with the nodeId that each call gets")
        .argParser(jsonObject)
        .default({}, "{}"),
    )
    .option("--json", "print the summary as JSON");

/** Throws CONFIG_INVALID where it is more than a run may be. */
export const workloadOf = (name: string, repeats: number, count: number, { args }: WorkloadFlags): Workload => {
  if (repeats * count > CALLS_MAX) {
    const remedy = "Say fewer repeats, or a lower count; several runs do what one may not.";
    throw new LocusError("CONFIG_INVALID", `${repeats} × ${count} calls are more than ${CALLS_MAX}`, { remedy });
  }
  return { function: name, repeats, count, args };
};

const jsonObject = (text: string): Workload["args"] => {
  const value = jsonValue(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Workload["args"];
  throw new InvalidArgumentError("must be a JSON object");
};
