// `locus doctor`: what is missing on this machine for locus to work, and how to mend it. It changes nothing.

import { setImmediate as turn } from "node:timers/promises";

import type { Command } from "commander";

import type { Finding } from "./doctor-finding.ts";
import { EXIT } from "./exit-code.ts";
import { interruption } from "./interruption.ts";
import type { NodeFlags } from "./node-command.ts";
import { printJson, printLine } from "./output.ts";

export const addDoctorCommand = (program: Command): void => {
  program
    .command("doctor")
    .description("what this machine lacks for locus to work, and how to mend it; exit code 1 if something is missing")
    .action(async (_flags: unknown, command: Command) => {
      const { url, json = false } = command.optsWithGlobals<NodeFlags>();
      // Only here: the other commands need no sandbox.
      const { examine } = await import("./doctor.ts");
      const all: Finding[] = [];
      const signal = interruption();
      for await (const list of examine(url, signal)) {
        // A Ctrl-C ends the programs that are tried as well: what they lack then says nothing. It is known when the event
        // loop has turned, since trying them stops it.
        await turn();
        signal.throwIfAborted();
        all.push(...list);
        if (!json) list.forEach((finding) => printLine(findingText(finding)));
      }
      const count = (status: Finding["status"]): number => all.filter((finding) => finding.status === status).length;
      const counts = { missing: count("missing"), warning: count("warning"), ok: count("ok") };
      if (json) printJson({ ...counts, findings: all });
      else printLine(`\n${counts.missing} missing, ${counts.warning} could be better, ${counts.ok} fine`);
      if (counts.missing > 0) process.exitCode = EXIT.failed;
    });
};

const findingText = ({ part, about, status, found, mend }: Finding): string => {
  const line = `${status.padEnd(8)} ${part.padEnd(8)} ${about}: ${found}`;
  return mend === null ? line : `${line}\n${" ".repeat(18)}→ ${mend}`;
};
