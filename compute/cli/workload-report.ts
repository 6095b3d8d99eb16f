// How far a workload is while it runs, and what it came to: the same for `batch` and `redisclient`.

import { EXIT } from "./exit-code.ts";
import { Progress } from "./progress.ts";
import { summaryText, type CallTally } from "./summary.ts";
import type { Workload, WorkloadFlags } from "./workload.ts";

interface WorkloadReportOptions {
  readonly program: string;
  readonly workload: Workload;
  /** What the calls go through, for people. */
  readonly through: string;
  readonly flags: WorkloadFlags;
  readonly signal: AbortSignal;
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
    this.#progress.step(() => `${tally.calls} of ${repeats * count} calls`);
  };

  /** Prints the summary and sets the exit code. What was interrupted is summed up as far as it came. */
  end(tally: CallTally): void {
    const { program, workload, through, flags, signal } = this.#options;
    this.#progress.end();
    const summary = tally.summary();
    const { function: name, repeats, count } = workload;
    const interrupted = signal.aborted;
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify({ program, function: name, repeats, count, through, interrupted, ...summary })}\n`
        : `${summaryText(`${program} ${name} ${repeats} ${count} (${through})`, summary)}\n`,
    );
    if (interrupted) process.exitCode = EXIT.interrupted;
    else if (summary.ok < summary.calls) process.exitCode = EXIT.failed;
  }
}
