// `locus call`: one call. The result alone on stdout; where it ran, what it used and what it said on stderr.

import type { Command } from "commander";

import { counted } from "#runtime/counted.ts";
import { LocusError } from "#runtime/errors.ts";
import { millisecondsText } from "#runtime/figures.ts";
import { LIMITS } from "#runtime/function/description.ts";
import type { SideReason } from "#runtime/placement/choose-side.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";
import { TRACE_STATES, type TraceStep } from "../node/trace.ts";
import { exitCodeOfCodes } from "./exit-code.ts";
import { failureOf, failureText, type Failure } from "./failure.ts";
import type { BatchReply } from "./node-client.ts";
import { FUNCTION, nodeOf, withSimilar, type NodeFlags } from "./node-command.ts";
import { jsonValueOrPlace, numberOption, sideOption } from "./option.ts";
import { onItsLines, onOneLine, printJson, printLine, printNote } from "./output.ts";

interface CallFlags extends NodeFlags {
  readonly key?: readonly string[];
  readonly side?: Side;
  readonly deadlineMs?: number;
  readonly logs?: boolean;
  readonly trace?: boolean;
}

const TIMES = `
Times, which add up to the whole:
  computed     in the function's own turns, in the sandbox
  waited       for Redis' replies and for timers, in the sandbox
  queued       for an isolate; opening one, for a function's first call, is part of it
  handed over  between the sandbox's supervisor and the isolate's thread, there and back
  on the way   between the node and the supervisor. At storage that is through Redis, and a call
               that finds no connection of the node's idle waits until one is open`;

const STATE_WIDTH = Math.max(...TRACE_STATES.map((state) => state.length));

export const addCallCommand = (program: Command): void => {
  program
    .command("call")
    .description("run a function once and print its result")
    .argument(...FUNCTION)
    .argument("[args]", "JSON; @path of a file that holds it; - for stdin", jsonValueOrPlace, null)
    .option("--key <key>", "a Redis key that the call declares; may be repeated", appended)
    .addOption(sideOption())
    .addOption(
      numberOption(
        "--deadline-ms <n>",
        "wall clock, within the function's own limit, which holds in any case",
        LIMITS.deadlineMs.max,
      ),
    )
    .option("--logs", "print the function's log lines on stderr")
    .option("--trace", "print on stderr what the call was at, and when")
    .addHelpText("after", TIMES)
    .action(async (name: string, args: unknown, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<CallFlags>();
      const { node, json } = nodeOf(flags);
      const wishes = {
        side: flags.side ?? null,
        deadlineMs: flags.deadlineMs ?? null,
        logs: flags.logs === true,
        trace: flags.trace === true,
        inFlight: 1,
      };
      for await (const reply of node.batch(name, [{ args, keys: flags.key ?? [] }], wishes)) {
        const { error, ...rest } = reply;
        const told: ToldReply =
          error === undefined
            ? rest
            : {
                ...rest,
                error: { ...failureOf(await withSimilar(errorOf(error), node, name)), ...refusalOf(error) },
              };
        if (json) printJson(told);
        else printReply(told);
        if (error !== undefined) process.exitCode = exitCodeOfCodes([error.code]);
      }
    });
};

const appended = (key: string, keys: readonly string[] = []): readonly string[] => [...keys, key];

/** With its error as every command tells it: the node's lines have all of it but the remedy. */
type ToldReply = Omit<BatchReply, "error"> & { readonly error?: Failure & Refusal };

/** What a function that refused the call said besides its message. */
type Refusal = Pick<NonNullable<BatchReply["error"]>, "status" | "data">;

const refusalOf = ({ status, data }: Refusal): Refusal => ({
  ...(status === undefined ? {} : { status }),
  ...(data === undefined ? {} : { data }),
});

const errorOf = ({ code, message, stack }: NonNullable<BatchReply["error"]>): LocusError =>
  new LocusError(code, message, { guestStack: stack });

const printReply = ({
  result,
  error,
  side = null,
  reason = null,
  version = null,
  elapsedUs = 0,
  usage = null,
  trace = [],
  logs = [],
}: ToldReply): void => {
  for (const line of logs) printNote(onOneLine(line));
  if (error === undefined) printLine(onItsLines(JSON.stringify(result, null, process.stdout.isTTY ? 2 : 0)));
  else {
    printNote(failureText(error));
    if (error.data !== undefined) printNote(`data: ${JSON.stringify(error.data)}`);
  }
  const why = reason === null ? "" : ` (${REASONS[reason]})`;
  if (side !== null) printNote([`at ${side}${why}`, ...versionText(version), millisecondsText(elapsedUs)].join(", "));
  if (usage !== null) printNote(usageText(usage, elapsedUs));
  for (const step of trace) printNote(stepText(step));
};

const REASONS: Readonly<Record<SideReason, string>> = {
  asked: "as asked",
  plan: "as planned",
  trial: "all calls are tried there for a moment",
  probe: "a visit, which tells what calls take there",
  overflow: "the planned side is crowded, and this one is not",
  preferred: "as its author prefers: nothing is planned for it yet",
  default: "nothing is planned for it yet",
  unavailable: "the side that was chosen could not have it",
  "pushed-back": "it began at storage, and was far dearer there than its function's calls are",
};

const stepText = ({ state, side, atUs, forUs }: TraceStep): string =>
  [
    `${state.padEnd(STATE_WIDTH)}${side === null ? "" : ` at ${side}`}`,
    ...(atUs === undefined ? [] : [`from ${millisecondsText(atUs)}`]),
    ...(forUs === undefined ? [] : [`for ${millisecondsText(forUs)}`]),
  ].join(", ");

/** Nothing where no sandbox had the call. */
const versionText = (version: string | null): readonly string[] => (version === null ? [] : [`version ${version}`]);

/** What the call moved, and what it took: times that add up to the whole. */
const usageText = (usage: Usage, elapsedUs: number): string => {
  const { operations, rounds, bytesOut, bytesIn, foundOperations, wallUs, cpuUs, waitUs, queueUs, lockUs } = usage;
  const times = {
    computed: cpuUs,
    waited: waitUs,
    queued: queueUs,
    "handed over": wallUs - cpuUs - waitUs - queueUs,
    "on the way": elapsedUs - wallUs,
  };
  return [
    `${counted(operations, "operation")} in ${counted(rounds, "round")}`,
    ...(foundOperations > 0 ? [`${foundOperations} of them found in the read cache`] : []),
    `${counted(bytesOut, "byte")} sent, ${bytesIn} received`,
    // Clocks that are read apart may differ by some µs.
    Object.entries(times)
      .map(([what, us]) => `${what} ${millisecondsText(Math.max(0, us))}`)
      .join(", "),
    ...(lockUs > 0 ? [`held Redis for ${millisecondsText(lockUs)}`] : []),
  ].join("; ");
};
