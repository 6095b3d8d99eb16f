// How far a workload is while it runs, and what it came to: the same for `batch` and `redisclient`.

import { counted } from "#runtime/counted.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import { exitCodeOfCodes } from "./exit-code.ts";
import { interruptedBy } from "./interruption.ts";
import { Progress } from "./progress.ts";
import { summaryText, type CallTally } from "./summary.ts";
import type { Workload, WorkloadFlags } from "./workload.ts";

interface WorkloadReportOptions {
  readonly program: string;
  readonly workload: Workload;
  /** What the calls go through, for people. */
  readonly through: string;
  readonly flags: WorkloadFlags;
}

export class WorkloadReport {
  readonly #options: WorkloadReportOptions;
  readonly #progress = new Progress();

  constructor(options: WorkloadReportOptions) {
    this.#options = options;
  }

  /** To be called after each call. */
  readonly onCall = (tally: CallTally): void => {
    const { repeats, count } = this.#options.workload;
    this.#progress.step(() => `${tally.calls} of ${counted(repeats * count, "call")}`);
  };

  /** Prints the summary and sets the exit code. What was interrupted is summed up as far as it came. */
  end(tally: CallTally): void {
    const { program, workload, through, flags } = this.#options;
    this.#progress.end();
    const summary = tally.summary();
    const { function: name, repeats, count } = workload;
    const interrupted = interruptedBy();
    const wanted = counted(repeats * count, "call");
    const ending = interrupted === null ? "" : `: ${interrupted.message} after ${summary.calls} of ${wanted}`;
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ program, function: name, repeats, count, through, interrupted: interrupted !== null, ...summary })}\n`
        : `${summaryText(`${program} ${name} ${repeats} ${count} (${through})${ending}`, summary)}\n`,
    );
    if (interrupted !== null) process.exitCode = interrupted.exitCode;
    else process.exitCode = exitCodeOfCodes(Object.keys(summary.errors) as ErrorCode[]);
  }
}
