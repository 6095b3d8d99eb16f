// `locus doctor`: what is missing on this machine for locus to work, and how to mend it. It changes nothing.

import type { Command } from "commander";

import type { Finding } from "./doctor-finding.ts";
import { EXIT } from "./exit-code.ts";
import { printJson, printLine } from "./output.ts";

export const addDoctorCommand = (program: Command): void => {
  program
    .command("doctor")
    .description("what this machine lacks for locus to work, and how to mend it; exit code 1 if something is missing")
    .action(async (_flags: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<{ readonly json?: boolean }>();
      // Only here: the other commands need no sandbox.
      const { examine } = await import("./doctor.ts");
      const counts = { ok: 0, warning: 0, missing: 0 };
      for await (const list of examine()) {
        for (const finding of list) {
          counts[finding.status] += 1;
          if (json === true) printJson(finding);
          else printLine(findingText(finding));
        }
      }
      if (json !== true) printLine(`\n${counts.missing} missing, ${counts.warning} could be better, ${counts.ok} fine`);
      if (counts.missing > 0) process.exitCode = EXIT.failed;
    });
};

const findingText = ({ part, about, status, found, mend }: Finding): string => {
  const line = `${status.padEnd(8)} ${part.padEnd(8)} ${about}: ${found}`;
  return mend === null ? line : `${line}\n${" ".repeat(18)}→ ${mend}`;
};
