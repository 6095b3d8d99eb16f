// `locus`: runs a node, and does to a node what can be done to it.

import type { Command } from "commander";

import { addBuildCommand } from "./build-command.ts";
import { addCallCommand } from "./call-command.ts";
import { addDeployCommand } from "./deploy-command.ts";
import { addDoctorCommand } from "./doctor-command.ts";
import { addFunctionCommands } from "./function-commands.ts";
import { addInstanceCommands } from "./instance-commands.ts";
import { INSTALLATION } from "./installation.ts";
import { addLoadCommand } from "./load-command.ts";
import { addLogsCommand } from "./logs-command.ts";
import { addNodeOptions, type NodeFlags } from "./node-command.ts";
import { printJson, printLine } from "./output.ts";
import { addPlacementCommands } from "./placement-commands.ts";
import { addHelpCommand, newProgram, runProgram, withoutOptions } from "./program.ts";
import { addSimulateCommand } from "./simulate-command.ts";
import { addStatsCommand } from "./stats-command.ts";

const { version } = INSTALLATION;
const program = addNodeOptions(newProgram("locus")).description(
  "Functions that run where they are cheapest: on compute workers, or in a sandbox next to Redis.",
);

withoutOptions(program.command("node"), "url", "json")
  .description("run a node: the gateway and its sandbox hosts (docs/configuration.md)")
  .action(async () => {
    // Only here: the other commands need neither a server nor a sandbox.
    const { runNode } = await import("../node/main-node.ts");
    await runNode();
  });
addDeployCommand(program);
addFunctionCommands(program);
addCallCommand(program);
addPlacementCommands(program);
addInstanceCommands(program);
addStatsCommand(program);
addLogsCommand(program);
addLoadCommand(program);
addSimulateCommand(program);
addDoctorCommand(program);
addBuildCommand(program);
withoutOptions(program.command("version"), "url")
  .description("print the version of locus")
  .action((_flags: unknown, command: Command) => {
    if (command.optsWithGlobals<NodeFlags>().json === true) printJson({ version });
    else printLine(version);
  });
addHelpCommand(program);

await runProgram(program);
